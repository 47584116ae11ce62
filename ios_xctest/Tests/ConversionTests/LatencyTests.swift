import Foundation
import PEValidateCore
import XCTest

/// An inference keeps its budget on an iPhone. Elsewhere milliseconds are reported, and judged by nobody.
final class LatencyTests: ArtifactTestCase {
    /// Calls that compile, allocate and page in.
    static let warmUp = 10
    static let rounds = 100

    func testAWarmInferenceKeepsItsBudget() throws {
        try forEachArtifact("latency", computeUnits: ComputeUnits.allCases) { subject, record in
            let input = subject.input
            let taken = try timings(warmUp: Self.warmUp, rounds: Self.rounds) { _ = try subject.runtime.run(input) }
            return try Self.judge(taken, subject, &record)
        }
    }

    /// The time after which a phone that is going to throttle does: a minute on a phone, or where
    /// `PE_VALIDATE_SUSTAINED_SECONDS` asks for it.
    func testSustainedInferencesKeepTheBudget() throws {
        let asked = Fixtures.environment("PE_VALIDATE_SUSTAINED_SECONDS").flatMap(Double.init)
        let seconds = asked ?? (Device.current.isPhone ? 60 : 2)
        try forEachArtifact("sustained latency, \(seconds.formatted()) s") { subject, record in
            let input = subject.input
            let taken = try timings(warmUp: 0, rounds: 1, seconds: seconds) { _ = try subject.runtime.run(input) }
            return try Self.judge(taken, subject, &record)
        }
    }

    /// From a file to the first answer: reported, because no budget is set for it.
    func testAColdStartIsReported() throws {
        try forEachArtifact("cold start", computeUnits: ComputeUnits.allCases) { subject, record in
            let input = subject.input
            let first = try timed { try subject.runtime.run(input) }
            record.latency = try LatencyStats(milliseconds: [first.milliseconds])
            let total = subject.loadMilliseconds + first.milliseconds
            return (
                .notJudged,
                "\(subject.artifact) takes "
                    + String(
                        format: "%.0f ms from file to first answer, %.0f of them to load.",
                        total,
                        subject.loadMilliseconds
                    )
            )
        }
    }

    #if canImport(Darwin)
        /// For Xcode's own baselines, which are kept for each device; one test measures one thing: the first artifact.
        func testMetricsOfTheFirstArtifact() throws {
            let folder = try Fixtures.resources()
            var subject: Subject?
            try forEachArtifact("metrics") { found, _ in
                subject = subject ?? found
                return (.notJudged, "\(found.artifact) is loaded.")
            }
            guard let subject else { throw Fixtures.missing("No artifact in '\(folder.url.path)' can run here.") }
            let input = subject.input
            for _ in 0..<Self.warmUp { _ = try subject.runtime.run(input) }
            measure(metrics: [XCTClockMetric(), XCTMemoryMetric(), XCTCPUMetric()]) {
                do { _ = try subject.runtime.run(input) } catch { XCTFail("\(error)") }
            }
        }
    #endif

    /// Hold timings to the budget of this device, when it is an iPhone at full power.
    private static func judge(
        _ taken: [Double],
        _ subject: Subject,
        _ record: inout Report.Record
    ) throws -> Finding {
        let stats = try LatencyStats(milliseconds: taken)
        let device = Device.current
        record.latency = stats
        record.budget = try Fixtures.resources().manifest.budget(for: subject.artifact, on: device.model)
        let found = String(
            format: "p50 %.1f ms (%.1f – %.1f), p95 %.1f ms (%.1f – %.1f) of %d",
            stats.p50,
            stats.p50Interval.low,
            stats.p50Interval.high,
            stats.p95,
            stats.p95Interval.low,
            stats.p95Interval.high,
            stats.count
        )
        let name = "\(subject.artifact) on \(subject.runtime.producer)"
        return verdict(
            name: name,
            found: found,
            stats: stats,
            budget: record.budget,
            device: device,
            throttling: record.before.flatMap { DeviceState.throttling(from: $0, to: .now) }
        )
    }

    private static func verdict(
        name: String,
        found: String,
        stats: LatencyStats,
        budget: Budget?,
        device: Device,
        throttling: String?
    ) -> Finding {
        guard device.isPhone else {
            return (.notJudged, "\(name): \(found); \(device.model) is not an iPhone, so that no budget is judged.")
        }
        guard let budget else {
            return (.fail, "\(name): \(found), and the manifest has no budget for it on \(device.model).")
        }
        let limit = String(format: "%g ms", budget.milliseconds) + (budget.label.map { " for \($0)" } ?? "")
        if let throttling {
            return (.inconclusive, "\(name) says nothing of the budget of \(limit): \(found), but \(throttling).")
        }
        switch stats.outcome(budget: budget.milliseconds) {
        case .pass: return (.pass, "\(name) keeps the budget of \(limit): \(found).")
        case .fail: return (.fail, "\(name) exceeds the budget of \(limit): \(found).")
        case .inconclusive: return (.inconclusive, "\(name) is too near to the budget of \(limit): \(found).")
        }
    }
}
