import Foundation
import PEValidateCore
import XCTest

/// The bundled tokenizer gives the ids that Meta's own and Python's give.
final class TokenizerTests: XCTestCase {
    private struct Examples: Decodable {
        struct Vector: Decodable {
            let text: String
            let context: Int
            let ids: [Int32]
        }

        /// With the ids of Meta's tokenizer.
        let reference: [Vector]
        /// With those of Python's.
        let python: [Vector]
    }

    /// `PE_VALIDATE_TEXTS` names another file of the same form.
    func testIdsAreThoseOfMetaAndOfPython() throws {
        let folder = try Fixtures.resources()
        let tokenizer = try Fixtures.tokenizer(of: folder)
        let named = Fixtures.environment("PE_VALIDATE_TEXTS").map { URL(fileURLWithPath: $0) }
        let listed = try named ?? Fixtures.vectors().appendingPathComponent("tokenizer_vectors.json")
        let examples = try JSONDecoder().decode(Examples.self, from: Data(contentsOf: listed))
        let vectors = examples.reference + examples.python
        XCTAssertFalse(vectors.isEmpty)
        let start = Date()
        let wrong = vectors.filter { tokenizer.ids(of: $0.text, context: $0.context) != padded($0.ids, $0.context) }
        print("tokens: \(wrong.count) of \(vectors.count) texts differ, \(Date().timeIntervalSince(start)) s")
        for vector in wrong.prefix(10) {
            let found = tokenizer.ids(of: vector.text, context: vector.context)
            let cleaned = tokenizer.cleaned(vector.text).debugDescription
            XCTFail("\(vector.text.debugDescription), cleaned \(cleaned), has ids \(found), not \(vector.ids)")
        }
    }

    private func padded(_ ids: [Int32], _ context: Int) -> [Int32] {
        ids + [Int32](repeating: 0, count: context - ids.count)
    }
}
