import Foundation
import PEValidateCore
import XCTest

/// Frames become what Python's preprocessing makes of them.
final class PreprocessingTests: XCTestCase {
    private struct Examples: Decodable {
        struct Case: Decodable {
            let name: String
            let file: String
            let sha256: String
            let width: Int
            let height: Int
            let size: Int
        }

        let within: Float
        let cases: [Case]
    }

    func testFramesBecomeWhatPillowMakesOfThem() throws {
        let folder = try Fixtures.vectors().appendingPathComponent("preprocessing")
        let listed = try Data(contentsOf: folder.appendingPathComponent("manifest.json"))
        let examples = try JSONDecoder().decode(Examples.self, from: listed)
        XCTAssertFalse(examples.cases.isEmpty)
        for example in examples.cases {
            let path = folder.appendingPathComponent(example.file)
            XCTAssertEqual(try Digest.of(path), example.sha256, "'\(example.file)' was altered")
            let file = try TensorFile(contentsOf: path)
            let frame = try file.bytes("rgba")
            let expected = try file.floats("expected")
            let preprocessor = ImagePreprocessor(width: example.width, height: example.height, size: example.size)
            for format in [ImagePreprocessor.PixelFormat.rgba, .bgra] {
                for padding in [0, 24] {
                    let rows = lay(frame, width: example.width, padding: padding, swapped: format == .bgra)
                    let found = try rows.withUnsafeBytes {
                        try preprocessor($0, bytesPerRow: 4 * example.width + padding, format: format)
                    }
                    let worst = zip(found, expected).map { abs($0 - $1) }.max() ?? .infinity
                    XCTAssertEqual(found.count, expected.count)
                    XCTAssertLessThanOrEqual(
                        worst,
                        examples.within,
                        "'\(example.name)', \(format), rows padded by \(padding)"
                    )
                }
            }
        }
    }

    /// A frame as cameras lay it out: rows with a gap, and perhaps blue first.
    private func lay(_ frame: [UInt8], width: Int, padding: Int, swapped: Bool) -> [UInt8] {
        stride(from: 0, to: frame.count, by: 4 * width).flatMap { start -> [UInt8] in
            var row = Array(frame[start..<start + 4 * width])
            if swapped { for i in stride(from: 0, to: row.count, by: 4) { row.swapAt(i, i + 2) } }
            return row + [UInt8](repeating: 0xAA, count: padding)
        }
    }
}
