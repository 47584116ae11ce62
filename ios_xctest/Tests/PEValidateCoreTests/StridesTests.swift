import PEValidateCore
import XCTest

final class StridesTests: XCTestCase {
    func testValuesOfAContiguousArrayAreAsTheyLie() {
        let values = (0..<24).map(Float.init)
        XCTAssertEqual(rowMajor(values, shape: [2, 3, 4], strides: [12, 4, 1]), values)
        XCTAssertEqual(rowMajor(values, shape: [24], strides: [1]), values)
        XCTAssertEqual(rowMajor(values, shape: [], strides: []), [0])
        XCTAssertEqual(rowMajor(values, shape: [0, 4], strides: [4, 1]), [])
    }

    func testPaddingIsLeftOut() {
        let values: [Float] = [0, 1, 2, -1, 3, 4, 5, -1]
        XCTAssertEqual(rowMajor(values, shape: [2, 3], strides: [4, 1]), [0, 1, 2, 3, 4, 5])
    }

    func testAxesMayLieInAnotherOrder() {
        XCTAssertEqual(rowMajor([0, 2, 4, 1, 3, 5], shape: [3, 2], strides: [1, 3]), [0, 1, 2, 3, 4, 5])
    }
}
