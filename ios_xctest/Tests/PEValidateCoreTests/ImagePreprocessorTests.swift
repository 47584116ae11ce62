import PEValidateCore
import XCTest

final class ImagePreprocessorTests: XCTestCase {
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
