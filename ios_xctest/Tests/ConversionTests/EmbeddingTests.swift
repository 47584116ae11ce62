import PEValidateCore
import PEValidateRuntimes
import XCTest

/// A text as it is typed gets the features that the float32 model gave it, by the bundled tokenizer and an artifact.
final class EmbeddingTests: XCTestCase {
    func testATextThatIsTypedGetsTheFeaturesOfTheGolden() throws {
        let folder = try Fixtures.resources()
        let tokenizer = try Fixtures.tokenizer(of: folder)
        guard !folder.embeddingTexts.isEmpty else {
            throw XCTSkip("'\(folder.url.path)' has no text tower: 'pe-validate ios bundle CASE…' adds one.")
        }
        var embedded = 0
        for artifact in folder.embeddingTexts {
            guard let runtime = try loadRuntime(for: artifact, at: folder.path(of: artifact)) else { continue }
            let golden = try folder.goldenCase(of: artifact)
            for input in golden.golden.inputs {
                guard case .tokens(let expected, let typed?) = input.content else { continue }
                let ids = tokenizer.ids(of: typed, context: runtime.input.count)
                XCTAssertEqual(ids, expected, "\(artifact): the ids of \(typed.debugDescription)")
                let judged = try golden.judge(runtime.run(.integers(ids)), of: input)
                if let breach = judged.breach { XCTFail(breach) }
                print("typed: \(artifact) on \(input.name) is at \(judged.numbers.snrDb) dB")
                embedded += 1
            }
        }
        guard embedded > 0 else { throw Fixtures.missing("This build runs none of the bundled text towers.") }
    }
}
