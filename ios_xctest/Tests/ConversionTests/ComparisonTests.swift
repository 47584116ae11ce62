import Foundation
import PEValidateCore
import XCTest

/// The numbers of a comparison are those that Python computes.
final class ComparisonTests: XCTestCase {
    private struct Examples: Decodable {
        struct Numbers: Decodable {
            let maxAbs: Double
            let maxRel: Double
            let snrDb: Double
            let cosine: Double
            let finite: Bool?
        }

        struct Vector: Decodable {
            let name: String
            let shape: [Int]
            let reference: [Double]
            let actual: [Double]
            let expected: Numbers
        }

        let within: Numbers
        let vectors: [Vector]
    }

    func testNumbersAreThoseOfPython() throws {
        let listed = try Data(contentsOf: Fixtures.vectors().appendingPathComponent("comparison_vectors.json"))
        let examples = try Manifest.decoder().decode(Examples.self, from: listed)
        XCTAssertFalse(examples.vectors.isEmpty)
        for vector in examples.vectors {
            let found = try Comparison(reference: vector.reference, actual: vector.actual, shape: vector.shape)
            let (expected, within) = (vector.expected, examples.within)
            XCTAssertEqual(found.finite, expected.finite, vector.name)
            for (name, a, b, allowed) in [
                ("max_abs", found.maxAbs, expected.maxAbs, within.maxAbs * abs(expected.maxAbs)),
                ("max_rel", found.maxRel, expected.maxRel, within.maxRel * abs(expected.maxRel)),
                ("snr_db", found.snrDb, expected.snrDb, within.snrDb),
                ("cosine", found.cosine, expected.cosine, within.cosine),
            ] {
                XCTAssertTrue(a == b || abs(a - b) <= allowed, "'\(vector.name)': \(name) is \(a), \(b) is wanted")
            }
        }
    }
}
