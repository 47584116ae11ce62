import PEValidateCore
import XCTest

private final class Untried: ModelRuntime {
    let producer = "a test"
    let input: TensorSpec
    let output = TensorSpec(name: "features", shape: [1, 2], dtype: "float32")

    init(_ dtype: String) {
        input = TensorSpec(name: "given", shape: [1, 2], dtype: dtype)
    }

    func run(_ values: TensorValues) throws -> [Float] {
        try check(takes: values)
        return [Float](repeating: 0, count: values.count)
    }
}

final class ModelRuntimeTests: XCTestCase {
    func testValuesAreOfTheNumberAndTheTypeOfTheInput() throws {
        for dtype in ["float32", "float16"] {
            XCTAssertNoThrow(try Untried(dtype).run(.floats([1, 2])))
            assertRefused("3 floats are not an input given: \(dtype)", try Untried(dtype).run(.floats([1, 2, 3])))
            assertRefused("2 integers are not an input given", try Untried(dtype).run(.integers([1, 2])))
        }
        XCTAssertNoThrow(try Untried("int32").run(.integers([1, 2])))
        assertRefused("2 floats are not an input given: int32[1, 2]", try Untried("int32").run(.floats([1, 2])))
        assertRefused("1 integers are not an input given", try Untried("int32").run(.integers([1])))
    }
}
