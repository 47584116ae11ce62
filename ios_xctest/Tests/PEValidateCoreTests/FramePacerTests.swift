import PEValidateCore
import XCTest

/// Cameras and inferences on a simulated clock.
final class FramePacerTests: XCTestCase {
    /// Frames of which an inference began, by their time.
    private func run(
        _ pacer: inout FramePacer,
        camera: Double,
        seconds: Double,
        inference: Double,
        jitter: Double = 0
    ) -> [Double] {
        var generator = FixedGenerator(state: 4)
        var taken: [Double] = []
        var free = -Double.infinity
        for i in 0..<Int(camera * seconds) {
            let time = Double(i) / camera + Double.random(in: -jitter...jitter, using: &generator)
            if free <= time, free > -Double.infinity {
                pacer.finish()
                free = -Double.infinity
            }
            if pacer.take(at: time) {
                taken.append(time)
                free = time + inference
            }
        }
        return taken
    }

    func testEveryFrameOfACameraAtItsRateIsTaken() {
        var pacer = FramePacer()
        XCTAssertEqual(run(&pacer, camera: 30, seconds: 10, inference: 0.02, jitter: 0.003).count, 300)
        XCTAssertEqual([pacer.taken, pacer.late, pacer.early], [300, 0, 0])
    }

    func testAFasterCameraGivesNoMoreFrames() {
        var pacer = FramePacer()
        XCTAssertEqual(run(&pacer, camera: 60, seconds: 10, inference: 0.01).count, 300)
        XCTAssertEqual(pacer.early, 300)
    }

    func testLateInferencesDropFramesAndQueueNone() {
        var pacer = FramePacer()
        let taken = run(&pacer, camera: 30, seconds: 10, inference: 0.05)
        XCTAssertEqual(taken.count, 150)
        XCTAssertEqual(pacer.late, 150)
        for (a, b) in zip(taken, taken.dropFirst()) { XCTAssertGreaterThanOrEqual(b - a, 0.05) }
    }

    func testAHotPhoneIsGivenFewerFrames() {
        for (state, frames) in [(ThermalState.nominal, 300), (.fair, 300), (.serious, 150), (.critical, 50)] {
            var pacer = FramePacer(thermalState: state)
            XCTAssertEqual(
                run(&pacer, camera: 30, seconds: 10, inference: 0.02, jitter: 0.003).count,
                frames,
                "\(state)"
            )
        }
    }

    func testAPauseIsNotMadeUpFor() {
        var pacer = FramePacer()
        XCTAssertTrue(pacer.take(at: 0))
        pacer.finish()
        XCTAssertTrue(pacer.take(at: 10))
        pacer.finish()
        XCTAssertFalse(pacer.take(at: 10.01))
        XCTAssertTrue(pacer.take(at: 10 + 1 / 30))
    }
}
