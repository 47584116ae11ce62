import PEValidateCore
import XCTest

final class WaitingTests: XCTestCase {
    func testTheAnswerOfAsynchronousWorkIsWaitedFor() throws {
        let answer = try waiting {
            try await Task.sleep(nanoseconds: 1_000_000)
            return 7
        }
        XCTAssertEqual(answer, 7)
    }

    func testWhatTheWorkThrowsIsThrown() {
        assertRefused(
            "no such function",
            try waiting { () async throws -> Int in throw PEValidateError("no such function") }
        )
    }

    /// A latency of Core AI holds one; it must be nothing beside a frame's 33 milliseconds.
    func testAHandOverTakesLessThanAMillisecond() throws {
        let clock = ContinuousClock()
        let taken = try (0..<200).map { _ in try clock.measure { _ = try waiting { 0 } } }
        let median = taken.sorted()[100]
        print("a hand-over takes \(median)")
        XCTAssertLessThan(median, .milliseconds(1))
    }
}
