import Foundation
import PEValidateCore
import XCTest

final class DeviceTests: XCTestCase {
    func testOnlyAnIPhoneThatIsNotSimulatedIsOne() {
        XCTAssertTrue(Device(model: "iPhone15,2", system: "17.0").isPhone)
        XCTAssertFalse(Device(model: "iPhone15,2", system: "17.0", isSimulator: true).isPhone)
        XCTAssertFalse(Device(model: "x86_64", system: "Linux").isPhone)
        XCTAssertFalse(Device.current.model.isEmpty)
    }

    func testHeatAndLowPowerThrottle() {
        func state(_ heat: ThermalState?, lowPower: Bool = false) -> DeviceState {
            DeviceState(thermalState: heat, battery: 0.5, isLowPowerMode: lowPower)
        }
        XCTAssertNil(DeviceState.throttling(from: state(.nominal), to: state(.fair)))
        XCTAssertNil(DeviceState.throttling(from: state(nil), to: state(nil)))
        XCTAssertEqual(
            DeviceState.throttling(from: state(.nominal), to: state(.serious)),
            "the thermal state was serious after it"
        )
        XCTAssertEqual(
            DeviceState.throttling(from: state(.critical), to: state(.nominal)),
            "the thermal state was critical before it"
        )
        XCTAssertEqual(
            DeviceState.throttling(from: state(.nominal, lowPower: true), to: state(.nominal)),
            "low-power mode was on before it"
        )
    }

    func testTheFootprintGrowsWithWhatIsTouched() throws {
        let before = try XCTUnwrap(MemoryFootprint.current())
        let ballast = [UInt8](repeating: 1, count: 64 << 20)
        let after = try XCTUnwrap(MemoryFootprint.current())
        XCTAssertGreaterThan(after - before, 48 << 20)
        XCTAssertEqual(ballast.last, 1)
    }

    func testAReportIsReadAsItWasWritten() throws {
        var record = Report.Record(test: "loss", case: "Tiny/onnx/fp32", outcome: .pass, sentence: "It passes.")
        record.comparisons = ["one": Comparison(maxAbs: 0, maxRel: 0, snrDb: .infinity, cosine: 1, finite: true)]
        record.latency = try LatencyStats(milliseconds: [1, 2, 3])
        record.before = DeviceState(thermalState: .fair, battery: 1, isLowPowerMode: false)
        record.memory = Report.Memory(before: 1, loaded: 2, after: 3)
        let report = Report(device: .current, records: [record])
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "Infinity",
            negativeInfinity: "-Infinity",
            nan: "NaN"
        )
        XCTAssertEqual(try Manifest.decoder().decode(Report.self, from: report.json()), report)
    }
}
