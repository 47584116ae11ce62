import PEValidateCore
import XCTest

/// Every bundled artifact computes what the float32 model computed, within the limits of the manifest.
final class ConversionTests: ArtifactTestCase {
    func testEveryArtifactAnswersEveryGoldenInput() throws {
        try forEachArtifact("loss", computeUnits: ComputeUnits.allCases) { subject, record in
            var numbers: [String: Comparison] = [:]
            var breaches: [String] = []
            for input in subject.golden.golden.inputs {
                let answer = try subject.runtime.run(input.values)
                let judged = try subject.golden.judge(answer, of: input)
                numbers[input.name] = judged.numbers
                if let breach = judged.breach { breaches.append(breach) }
            }
            record.comparisons = numbers
            if let breach = breaches.first {
                return (.fail, "\(breach) \(breaches.count) of \(numbers.count) inputs fail.")
            }
            let worst = Comparison.worst(Array(numbers.values))?.snrDb ?? .nan
            return (
                .pass,
                "\(subject.artifact) passes loss on \(numbers.count) inputs: \(subject.runtime.producer) is at worst "
                    + String(format: "%.1f dB, limit %g dB.", worst, subject.golden.limits.snrDb)
            )
        }
    }

    func testEveryArtifactAnswersAlikeTwice() throws {
        try forEachArtifact("determinism") { subject, _ in
            let first = try subject.runtime.run(subject.input)
            let again = try subject.runtime.run(subject.input)
            return first == again
                ? (.pass, "\(subject.artifact) passes determinism: it answers alike twice.")
                : (.fail, "\(subject.artifact) fails determinism: it answers differently the second time.")
        }
    }
}
