import Foundation
import PEValidateCore
import PEValidateRuntimes
import XCTest

/// A test that is done for every bundled artifact.
class ArtifactTestCase: XCTestCase {
    /// One artifact, loaded.
    struct Subject {
        let golden: GoldenCase
        let runtime: any ModelRuntime
        let computeUnits: ComputeUnits?
        let loadMilliseconds: Double
        let footprint: (before: Int?, loaded: Int?)

        var artifact: Artifact { golden.artifact }
        var input: TensorValues { golden.golden.inputs[0].values }
    }

    /// What a check found.
    typealias Finding = (outcome: Report.Record.Outcome, sentence: String)

    /// Load each artifact, check it, record what was found, and fail with the sentence of what failed.
    ///
    /// What is inconclusive is recorded, and skips the test when nothing else failed. It is a failure when there is
    /// nothing that this machine can run.
    func forEachArtifact(
        _ test: String,
        computeUnits: [ComputeUnits] = [.all],
        check: (Subject, inout Report.Record) throws -> Finding
    ) throws {
        let folder = try Fixtures.resources()
        var outcomes: [Report.Record.Outcome] = []
        var inconclusive: [String] = []
        for artifact in folder.artifacts {
            let chosen = choices(of: artifact.target).filter(computeUnits.contains)
            for units in chosen.isEmpty ? [nil] : chosen.map(Optional.some) {
                let name = [artifact.case, units?.rawValue].compactMap { $0 }.joined(separator: ", ")
                let record = try activity(name) {
                    try examine(artifact, in: folder, units: units, test: test, check: check)
                }
                outcomes.append(record.outcome)
                print("\(record.outcome.rawValue): \(record.sentence)")
                if record.outcome == .fail { XCTFail(record.sentence) }
                if record.outcome == .inconclusive { inconclusive.append(record.sentence) }
                try add(record)
            }
        }
        guard outcomes.contains(where: { $0 != .unavailable }) else {
            throw Fixtures.missing("This build has a runtime for none of the \(folder.artifacts.count) artifacts.")
        }
        if !inconclusive.isEmpty, !outcomes.contains(.fail) {
            throw XCTSkip(inconclusive.joined(separator: " "))
        }
    }

    private func examine(
        _ artifact: Artifact,
        in folder: ResourceFolder,
        units: ComputeUnits?,
        test: String,
        check: (Subject, inout Report.Record) throws -> Finding
    ) throws -> Report.Record {
        var record = Report.Record(test: test, case: artifact.case, outcome: .fail, sentence: "")
        record.computeUnits = units
        record.before = .now
        do {
            guard let subject = try load(artifact, in: folder, units: units) else {
                record.outcome = .unavailable
                record.sentence = "\(artifact) cannot run here: \(missingRuntime(for: artifact))."
                return record
            }
            record.producer = subject.runtime.producer
            record.coldLoadMilliseconds = subject.loadMilliseconds
            (record.outcome, record.sentence) = try check(subject, &record)
        } catch let error as PEValidateError {
            record.sentence = "\(artifact) fails \(test): \(error)"
        }
        record.after = .now
        return record
    }

    private func load(_ artifact: Artifact, in folder: ResourceFolder, units: ComputeUnits?) throws -> Subject? {
        let golden = try folder.goldenCase(of: artifact)
        let path = try folder.path(of: artifact)
        let before = MemoryFootprint.current()
        let loaded = try timed { try loadRuntime(for: artifact, at: path, computeUnits: units ?? .all) }
        guard let runtime = loaded.result else { return nil }
        return Subject(
            golden: golden,
            runtime: runtime,
            computeUnits: units,
            loadMilliseconds: loaded.milliseconds,
            footprint: (before, MemoryFootprint.current())
        )
    }
}
