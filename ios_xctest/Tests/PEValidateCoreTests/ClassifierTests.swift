import Foundation
import PEValidateCore
import XCTest

final class ClassifierTests: XCTestCase {
    private func table(labels: String, values: [Float], shape: [Int]) throws -> TensorFile {
        let header = """
            {"__metadata__":{"labels":"\(labels)"},"embeddings":{"dtype":"F32","shape":\(shape),\
            "data_offsets":[0,\(4 * values.count)]}}
            """
        return try TensorFile(data: safetensors(header, body: littleEndian(values)))
    }

    func testTheNearestLabelsComeFirstWhateverTheLengthOfVectors() throws {
        let classifier = try Classifier(
            table(labels: #"[\"cat\", \"dog\", \"zero\"]"#, values: [100, 0, 1, 1, 0, 0], shape: [3, 2])
        )
        let found = try classifier.classify([0.1, 0.09], count: 2)
        XCTAssertEqual(found.map(\.label), ["dog", "cat"])
        XCTAssertEqual(found[0].cosine, 0.9986, accuracy: 1e-4)
        XCTAssertEqual(try classifier.classify([5, 0], count: 9).map(\.label), ["cat", "dog", "zero"])
        assertRefused("3 features", try classifier.classify([1, 2, 3], count: 1))
    }

    func testATableOfAnotherFormIsRefused() throws {
        assertRefused("no 'labels'", try Classifier(table(labels: "cat", values: [1], shape: [1, 1])))
        assertRefused(
            "one vector for each of 2",
            try Classifier(table(labels: #"[\"a\", \"b\"]"#, values: [1, 2, 3], shape: [1, 3]))
        )
    }
}
