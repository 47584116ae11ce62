import PEValidateCore
import XCTest

/// Inferences do not leave memory behind.
final class MemoryTests: ArtifactTestCase {
    static let rounds = 50
    /// Bytes that an allocator may keep for later.
    static let slack = 16 << 20

    func testInferencesGiveTheirMemoryBack() throws {
        try forEachArtifact("memory") { subject, record in
            let input = subject.input
            for _ in 0..<5 { _ = try subject.runtime.run(input) }
            guard let before = subject.footprint.before, let loaded = subject.footprint.loaded,
                let warm = MemoryFootprint.current()
            else { return (.fail, "\(subject.artifact) fails memory: the system does not tell the footprint.") }
            for _ in 0..<Self.rounds { _ = try subject.runtime.run(input) }
            let after = MemoryFootprint.current() ?? warm
            record.memory = Report.Memory(before: before, loaded: loaded, after: after)
            let grown = after - warm
            let found = "\(grown >> 10) KiB more after \(Self.rounds) inferences, \((after - before) >> 20) MiB in all"
            return grown <= Self.slack
                ? (.pass, "\(subject.artifact) passes memory: \(found).")
                : (.fail, "\(subject.artifact) fails memory: \(found), and \(Self.slack >> 20) MiB may stay.")
        }
    }
}
