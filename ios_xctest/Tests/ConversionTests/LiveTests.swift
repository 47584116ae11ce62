import Foundation
import PEValidateCore
import PEValidateRuntimes
import XCTest

/// What the app does with a camera's frame, for real: shown a golden's image, it names that image.
final class LiveTests: XCTestCase {
    func testAFrameThatShowsAGoldensImageIsNamedAfterIt() throws {
        let folder = try Fixtures.resources()
        guard !folder.classifying.isEmpty else {
            throw XCTSkip("'\(folder.url.path)' has no model that classifies images.")
        }
        var shown = 0
        for artifact in folder.classifying {
            let path = try folder.path(of: artifact)
            guard let runtime = try loadRuntime(for: artifact, at: path) else { continue }
            let golden = try folder.goldenCase(of: artifact)
            let live = try LiveClassifier(runtime: runtime, classifier: classifier(of: golden.golden))
            for (second, input) in golden.golden.inputs.enumerated() {
                guard case .image(let rgb, let size) = input.content else {
                    throw PEValidateError("The golden of \(artifact) is of no image.")
                }
                let inbox = Inbox()
                let frame = PaddedFrame(rgb: rgb, size: size)
                live.offer(frame, at: Double(second), thermalState: .nominal) { inbox.deliver($0) }
                let matches = try inbox.next().matches
                XCTAssertEqual(matches.first?.label, input.name, "\(artifact)")
                // Features are as near to the golden's as the limit on loss says, and cosines here are of float32.
                let cosine = Double(matches.first?.cosine ?? -1)
                XCTAssertTrue(cosine >= golden.limits.cosine - 1e-6, "\(artifact) is at \(cosine) on \(input.name)")
                shown += 1
            }
        }
        guard shown > 0 else { throw Fixtures.missing("This build runs none of the artifacts that classify images.") }
    }

    /// A table whose classes are the golden's own images.
    private func classifier(of golden: Golden) throws -> Classifier {
        let labels = String(decoding: try JSONEncoder().encode(golden.inputs.map(\.name)), as: UTF8.self)
        let embeddings = golden.inputs.flatMap(\.features)
        let header: [String: Any] = [
            "__metadata__": ["labels": labels],
            "embeddings": [
                "dtype": "F32",
                "shape": [golden.inputs.count, embeddings.count / golden.inputs.count],
                "data_offsets": [0, 4 * embeddings.count],
            ],
        ]
        let json = try JSONSerialization.data(withJSONObject: header)
        let size = withUnsafeBytes(of: UInt64(json.count).littleEndian) { Data($0) }
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).safetensors")
        try (size + json + embeddings.withUnsafeBytes { Data($0) }).write(to: path)
        defer { try? FileManager.default.removeItem(at: path) }
        return try Classifier(contentsOf: path)
    }
}

/// An image as a camera gives it: blue first, a fourth byte, and rows with a gap.
private struct PaddedFrame: Frame {
    private static let gap = 64

    let size: Int
    let format = ImagePreprocessor.PixelFormat.bgra
    private let bytes: [UInt8]

    var width: Int { size }
    var height: Int { size }

    init(rgb: [UInt8], size: Int) {
        self.size = size
        bytes = (0..<size).flatMap { y -> [UInt8] in
            let row = (0..<size).flatMap { x -> [UInt8] in
                let pixel = 3 * (y * size + x)
                return [rgb[pixel + 2], rgb[pixel + 1], rgb[pixel], 0xFF]
            }
            return row + [UInt8](repeating: 0xAA, count: Self.gap)
        }
    }

    func withBytes<Result>(_ body: (UnsafeRawBufferPointer, Int) throws -> Result) throws -> Result {
        try bytes.withUnsafeBytes { try body($0, 4 * size + Self.gap) }
    }
}

/// What was delivered, from whichever thread.
private final class Inbox: @unchecked Sendable {
    private let lock = NSLock()
    private let arrived = DispatchSemaphore(value: 0)
    private var result: Result<LiveClassifier.Reading, any Error>?

    func deliver(_ result: Result<LiveClassifier.Reading, any Error>) {
        lock.withLock { self.result = result }
        arrived.signal()
    }

    func next() throws -> LiveClassifier.Reading {
        guard arrived.wait(timeout: .now() + 60) == .success, let result = lock.withLock({ result }) else {
            throw PEValidateError("nothing was delivered within a minute")
        }
        return try result.get()
    }
}
