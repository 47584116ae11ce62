import PEValidateCore
import XCTest

final class ImagePreprocessorTests: XCTestCase {
    func testAnEvenFrameStaysEven() throws {
        for (width, height) in [(7, 5), (5, 40), (40, 5), (1, 1)] {
            let frame = [UInt8](repeating: 255, count: 4 * width * height)
            let found = try frame.withUnsafeBytes {
                try ImagePreprocessor(width: width, height: height, size: 8)($0, bytesPerRow: 4 * width, format: .rgba)
            }
            XCTAssertEqual(found, [Float](repeating: 1, count: 3 * 8 * 8), "\(width) × \(height)")
        }
    }

    func testAFrameThatIsTooShortIsRefused() throws {
        let preprocessor = ImagePreprocessor(width: 4, height: 3, size: 2)
        let frame = [UInt8](repeating: 0, count: 4 * 4 * 3)
        try frame.withUnsafeBytes { bytes in
            XCTAssertEqual(try preprocessor(bytes, bytesPerRow: 16, format: .bgra).count, 12)
            assertRefused("do not hold a frame", try preprocessor(bytes, bytesPerRow: 17, format: .bgra))
            assertRefused("do not hold a frame", try preprocessor(bytes, bytesPerRow: 15, format: .bgra))
            let short = UnsafeRawBufferPointer(rebasing: bytes.dropLast())
            assertRefused("do not hold a frame", try preprocessor(short, bytesPerRow: 16, format: .bgra))
        }
    }

    #if !DEBUG
        func testAFrameOfFullHighDefinitionTakesMillisecondsForTheRecommendedModel() throws {
            let preprocessor = ImagePreprocessor(width: 1920, height: 1080, size: 384)
            let frame = (0..<1920 * 1080 * 4).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) }
            let taken = try frame.withUnsafeBytes { bytes in
                try timings(warmUp: 5, rounds: 100) {
                    _ = try preprocessor(bytes, bytesPerRow: 1920 * 4, format: .bgra)
                }
            }
            let stats = try LatencyStats(milliseconds: taken)
            print("preprocessing 1920 × 1080 → 384: p50 \(stats.p50) ms, p95 \(stats.p95) ms, best \(taken.min()!) ms")
        }
    #endif
}
