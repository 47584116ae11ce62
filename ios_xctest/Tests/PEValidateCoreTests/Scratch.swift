import Foundation
import PEValidateCore
import XCTest

/// A folder that is gone when the test is over.
func scratchFolder(for test: XCTestCase) throws -> URL {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString, isDirectory: true)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    test.addTeardownBlock { try? FileManager.default.removeItem(at: folder) }
    return folder
}

/// A safetensors file with this header.
func safetensors(_ header: String, body: [UInt8] = []) -> Data {
    var length = UInt64(header.utf8.count).littleEndian
    return Data(bytes: &length, count: 8) + Data(header.utf8) + Data(body)
}

func littleEndian(_ values: [Float]) -> [UInt8] {
    values.flatMap { value in withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) } }
}

/// Check that `body` throws an error of the project whose sentence has `words` in it.
func assertRefused<Result>(
    _ words: String,
    _ body: @autoclosure () throws -> Result,
    file: StaticString = #filePath,
    line: UInt = #line
) {
    XCTAssertThrowsError(try body(), words, file: file, line: line) { error in
        XCTAssertTrue(error is PEValidateError, "\(error)", file: file, line: line)
        XCTAssertTrue("\(error)".contains(words), "'\(error)' does not say '\(words)'", file: file, line: line)
    }
}

/// The same numbers on every machine (Knuth's linear congruential generator for 64 bits).
struct FixedGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state >> 32 | state << 32
    }
}
