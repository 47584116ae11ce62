/// Camera frames → what a model is fed: `[1, 3, size, size]` in [-1, 1].
///
/// The aspect ratio is not kept. Resampling is PIL's antialiased bilinear, bit for bit: one pass over columns and one
/// over rows, with weights in units of 2⁻²² and results rounded to bytes after each. Buffers are kept between frames,
/// so one is to be used from one thread at a time.
public final class ImagePreprocessor {
    /// Order of bytes in memory; a fourth one is not looked at.
    public enum PixelFormat: Sendable {
        case rgba, bgra
    }

    public let width: Int
    public let height: Int
    public let size: Int

    private let columns: Resampling
    private let rows: Resampling
    private let row: UnsafeMutablePointer<Int32>
    private let narrow: UnsafeMutablePointer<UInt8>
    private let sums: UnsafeMutablePointer<Int32>

    /// - Parameters:
    ///   - width: Pixels in a row of a frame.
    ///   - height: Rows of a frame.
    ///   - size: Side of the model's image.
    public init(width: Int, height: Int, size: Int) {
        precondition(width > 0 && height > 0 && size > 0, "an image has pixels")
        (self.width, self.height, self.size) = (width, height, size)
        columns = Resampling(from: width, to: size)
        rows = Resampling(from: height, to: size)
        row = .allocate(capacity: 4 * width)
        narrow = .allocate(capacity: 4 * size * height)
        sums = .allocate(capacity: 4 * size)
    }

    deinit {
        row.deallocate()
        narrow.deallocate()
        sums.deallocate()
    }

    /// Scale and normalise one frame.
    ///
    /// - Parameters:
    ///   - bytes: Four bytes for each pixel, rows from the top.
    ///   - bytesPerRow: Distance from one row to the next, at least `4 * width`.
    /// - Returns: `[1, 3, size, size]`.
    /// - Throws: `PEValidateError` when `bytes` is too short.
    public func callAsFunction(
        _ bytes: UnsafeRawBufferPointer, bytesPerRow: Int, format: PixelFormat
    ) throws -> [Float] {
        guard bytesPerRow >= 4 * width, bytes.count >= bytesPerRow * (height - 1) + 4 * width else {
            throw PEValidateError(
                "\(bytes.count) bytes, \(bytesPerRow) in a row, do not hold a frame of \(width) × \(height) pixels.")
        }
        guard let start = bytes.bindMemory(to: UInt8.self).baseAddress else { return [] }
        for y in 0..<height { squeeze(start + y * bytesPerRow, to: y) }
        return [Float](unsafeUninitializedCapacity: 3 * size * size) { planes, count in
            guard let start = planes.baseAddress else { return }
            stack(into: start, red: format == .rgba ? 0 : 2)
            count = 3 * size * size
        }
    }

    /// Normalise RGB bytes `[size, size, 3]` that have a model's size already.
    public static func normalize(rgb: [UInt8]) -> [Float] {
        let area = rgb.count / 3
        return (0..<3).flatMap { channel in (0..<area).map { values[Int(rgb[3 * $0 + channel])] } }
    }

    /// One row of the frame → row `y` of `narrow`.
    ///
    /// Loops here are plain ones over pointers: they are what the compiler makes vector instructions of.
    private func squeeze(_ source: UnsafePointer<UInt8>, to y: Int) {
        let row = row
        for i in 0..<4 * width { row[i] = Int32(source[i]) }
        var result = narrow + 4 * size * y
        columns.forEach { _, first, weights in
            var (a, b, c, d) = (Resampling.half, Resampling.half, Resampling.half, Resampling.half)
            var pixel = row + 4 * first
            for weight in weights {
                a &+= pixel[0] &* weight
                b &+= pixel[1] &* weight
                c &+= pixel[2] &* weight
                d &+= pixel[3] &* weight
                pixel += 4
            }
            result[0] = Resampling.byte(a)
            result[1] = Resampling.byte(b)
            result[2] = Resampling.byte(c)
            result[3] = Resampling.byte(d)
            result += 4
        }
    }

    /// `narrow` → planes of the result.
    private func stack(into planes: UnsafeMutablePointer<Float>, red: Int) {
        let (narrow, sums, length, area) = (narrow, sums, 4 * size, size * size)
        Self.values.withUnsafeBufferPointer { values in
            rows.forEach { y, first, weights in
                sums.update(repeating: Resampling.half, count: length)
                var source = narrow + first * length
                for weight in weights {
                    for i in 0..<length { sums[i] &+= Int32(source[i]) &* weight }
                    source += length
                }
                let result = planes + y * size
                for x in 0..<size {
                    result[x] = values[Int(Resampling.byte(sums[4 * x + red]))]
                    result[area + x] = values[Int(Resampling.byte(sums[4 * x + 1]))]
                    result[2 * area + x] = values[Int(Resampling.byte(sums[4 * x + 2 - red]))]
                }
            }
        }
    }

    /// `(x / 255 - 0.5) / 0.5` of every byte, in float32 as NumPy computes it.
    private static let values: [Float] = (0...255).map { (Float($0) / 255 - 0.5) / 0.5 }
}

/// Which pixels of one axis make a pixel of the result, and how much of each in units of 2⁻²².
private struct Resampling {
    static let half: Int32 = 1 << 21
    private static let unit = Double(1 << 22)

    /// The first pixel, by position in the result.
    private var first: [Int] = []
    /// Indices of its weights.
    private var taps: [Range<Int>] = []
    private var weights: [Int32] = []

    init(from source: Int, to size: Int) {
        let scale = Double(source) / Double(size)
        let support = max(scale, 1)
        for position in 0..<size {
            let center = (Double(position) + 0.5) * scale
            let low = max(Int(center - support + 0.5), 0)
            let high = min(Int(center + support + 0.5), source)
            let triangle = (low..<high).map { max(1 - abs((Double($0) - center + 0.5) * (1 / support)), 0) }
            let total = triangle.reduce(0, +)
            first.append(low)
            taps.append(weights.count..<weights.count + triangle.count)
            weights += triangle.map { Int32($0 / total * Self.unit + 0.5) }
        }
    }

    @inline(__always)
    func forEach(_ body: (_ position: Int, _ first: Int, _ weights: UnsafeBufferPointer<Int32>) -> Void) {
        weights.withUnsafeBufferPointer { all in
            for (position, range) in taps.enumerated() {
                body(position, first[position], UnsafeBufferPointer(rebasing: all[range]))
            }
        }
    }

    /// Weights are positive and add up to one: no sum is too large for a byte.
    @inline(__always)
    static func byte(_ sum: Int32) -> UInt8 { UInt8(truncatingIfNeeded: sum >> 22) }
}
