import Foundation
import PEValidateCore
import XCTest

final class TensorFileTests: XCTestCase {
    static let header = """
        {"__metadata__":{"made by":"a test"},"a":{"dtype":"F32","shape":[1,3],"data_offsets":[2,14]},\
        "b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}
        """
    static let sound = safetensors(header, body: [7, 255] + littleEndian([1.5, -.infinity, 0]))

    func testValuesShapesAndMetadataAreThoseOfTheFile() throws {
        let file = try TensorFile(data: Self.sound)
        XCTAssertEqual(try file.floats("a"), [1.5, -.infinity, 0])
        XCTAssertEqual(try file.bytes("b"), [7, 255])
        XCTAssertEqual(file.tensors["a"]?.shape, [1, 3])
        XCTAssertEqual(file.metadata, ["made by": "a test"])
    }

    func testAFileOnDiskIsReadAsItsContent() throws {
        let path = try scratchFolder(for: self).appendingPathComponent("one.safetensors")
        assertRefused("cannot be read", try TensorFile(contentsOf: path))
        try Self.sound.write(to: path)
        XCTAssertEqual(try TensorFile(contentsOf: path).bytes("b"), [7, 255])
        try Self.sound.dropLast().write(to: path)
        assertRefused("one.safetensors' cannot be used", try TensorFile(contentsOf: path))
    }

    func testATensorOfAnotherNameOrTypeIsRefused() throws {
        let file = try TensorFile(data: Self.sound)
        assertRefused("no tensor 'c'", try file.floats("c"))
        assertRefused("'a' is F32, and U8 is wanted", try file.bytes("a"))
    }

    func testHostileHeadersAreRefused() {
        func one(_ properties: String) -> Data { safetensors("{\"a\":{\(properties)}}", body: [0, 0, 0, 0]) }
        let deep = String(repeating: "[", count: 100_000)
        let largest = "9223372036854775807"
        for (words, data) in [
            ("fewer than any", Data([1, 2, 3])),
            ("more than the file", Data([255, 255, 255, 255, 255, 255, 255, 255, 0])),
            ("more than the file", Data([200, 0, 0, 0, 0, 0, 0, 0]) + Data("{}".utf8)),
            ("'{' is wanted", safetensors("")),
            ("'{' is wanted", safetensors(deep)),
            ("'[' is wanted", one("\"dtype\":\"F32\",\"shape\":{\"a\":\(deep)")),
            ("there is something behind it", safetensors("{} {}")),
            ("a string does not end", safetensors("{\"a")),
            ("a string does not end", safetensors("{\"a\\")),
            ("a string is not well formed", safetensors("{\"\\x\":{}}")),
            ("lacks a property", one("")),
            ("lacks a property", one("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]")),
            ("'x' is not a property", one("\"x\":1")),
            ("'dtype' is there twice", one("\"dtype\":\"F32\",\"dtype\":\"U8\"")),
            ("a whole number", one("\"shape\":[-1]")),
            ("a whole number", one("\"shape\":[9223372036854775808]")),
            ("']' is wanted", one("\"shape\":[1.5]")),
            ("dtype or shape", one("\"dtype\":\"F31\",\"shape\":[1],\"data_offsets\":[0,4]")),
            ("dtype or shape", one("\"dtype\":\"F32\",\"shape\":[\(largest),\(largest)],\"data_offsets\":[0,4]")),
            ("4 bytes from 0 are wanted", one("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,3]")),
            ("4 bytes from 0 are wanted", one("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]")),
            ("4 bytes from 0 are wanted", one("\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[\(largest),4]")),
            ("behind the end", one("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]")),
            ("belong to no tensor", one("\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]")),
            (
                "2 bytes from 2 are wanted",
                safetensors(
                    "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
                        + "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}",
                    body: [0, 0, 0]
                )
            ),
            (
                "'a' is there twice",
                safetensors(
                    "{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},"
                        + "\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}"
                )
            ),
            ("'k' is there twice", safetensors("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}")),
        ] {
            assertRefused(words, try TensorFile(data: data))
        }
    }

    /// Whatever three thousand mutations make of a file, it is read or refused.
    func testMutatedFilesAreReadOrRefused() {
        var generator = FixedGenerator(state: 1)
        var refused = 0
        for _ in 0..<3000 {
            var data = Self.sound
            for _ in 0..<Int.random(in: 1...4, using: &generator) { mutate(&data, &generator) }
            do {
                let file = try TensorFile(data: data)
                for (name, entry) in file.tensors {
                    if entry.dtype == "F32" { XCTAssertNoThrow(try file.floats(name)) }
                    if entry.dtype == "I32" { XCTAssertNoThrow(try file.integers(name)) }
                    if entry.dtype == "U8" { XCTAssertNoThrow(try file.bytes(name)) }
                }
            } catch {
                XCTAssertTrue(error is PEValidateError, "\(error)")
                refused += 1
            }
        }
        XCTAssertGreaterThan(refused, 2000)
        XCTAssertLessThan(refused, 3000)
    }

    private func mutate(_ data: inout Data, _ generator: inout FixedGenerator) {
        let at = Int.random(in: 0...data.count, using: &generator)
        switch Int.random(in: 0..<5, using: &generator) {
        case 0 where at < data.count: data[at] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        case 1: data = data.prefix(at)
        case 2: data.insert(UInt8.random(in: 0...255, using: &generator), at: at)
        case 3: data.insert(contentsOf: Data("9999999999999999999".utf8.prefix(at % 20)), at: at)
        default: data.append(data.suffix(at % 9))
        }
        data = Data(data)
    }
}
