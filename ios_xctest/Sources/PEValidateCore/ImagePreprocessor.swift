/// Camera frames → what a model is fed: `[1, 3, size, size]` in [-1, 1].
///
/// The aspect ratio is not kept. Resampling is antialiased bilinear as in Pillow, bit for bit: one pass along rows and
/// one along columns, with weights in units of 2⁻²² and results rounded to bytes after each. Buffers are kept between
/// frames, so one is to be used from one thread at a time.
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
    /// `[width]`, four values for each pixel.
    private let row: UnsafeMutablePointer<Int32>
    /// As `row`, or as `line`.
    private let sums: UnsafeMutablePointer<Int32>
    /// `[height, size]`, four bytes for each pixel.
    private let narrow: UnsafeMutablePointer<UInt8>
    /// `[size]`, four bytes for each pixel.
    private let line: UnsafeMutablePointer<UInt8>

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
        sums = .allocate(capacity: 4 * max(width, size))
        narrow = .allocate(capacity: 4 * size * height)
        line = .allocate(capacity: 4 * size)
    }

    deinit {
        row.deallocate()
        sums.deallocate()
        narrow.deallocate()
        line.deallocate()
    }

    /// Scale and normalise one frame.
    ///
    /// - Parameters:
    ///   - bytes: Four bytes for each pixel, rows from the top.
    ///   - bytesPerRow: Distance from one row to the next, at least `4 * width`.
    /// - Returns: `[1, 3, size, size]`.
    /// - Throws: `PEValidateError` when `bytes` is too short.
    public func callAsFunction(
        _ bytes: UnsafeRawBufferPointer,
        bytesPerRow: Int,
        format: PixelFormat
    ) throws -> [Float] {
        guard bytesPerRow >= 4 * width, bytes.count >= bytesPerRow * (height - 1) + 4 * width else {
            throw PEValidateError(
                "\(bytes.count) bytes, \(bytesPerRow) in a row, do not hold a frame of \(width) × \(height) pixels."
            )
        }
        guard let start = bytes.bindMemory(to: UInt8.self).baseAddress else { return [] }
        return [Float](unsafeUninitializedCapacity: 3 * size * size) { planes, count in
            guard let planes = planes.baseAddress else { return }
            let red = format == .rgba ? 0 : 2
            if isStackedFirst {
                stackThenSqueeze(start, bytesPerRow) { y in normalize(into: planes + y * size, red: red) }
            } else {
                squeezeThenStack(start, bytesPerRow) { y in normalize(into: planes + y * size, red: red) }
            }
            count = 3 * size * size
        }
    }

    /// Whether rows are added up before they are shortened: Pillow's choice since version 13, for a frame whose height
    /// shrinks by more than twice of what its width does. Earlier versions never do; results differ by one level.
    private var isStackedFirst: Bool { height - size > 2 * max(width - size, 0) }

    /// Normalise RGB bytes `[size, size, 3]` that have a model's size already.
    public static func normalize(rgb: [UInt8]) -> [Float] {
        let area = rgb.count / 3
        return (0..<3).flatMap { channel in (0..<area).map { values[Int(rgb[3 * $0 + channel])] } }
    }

    // Loops below are plain ones over pointers: they are what the compiler makes vector instructions of.

    private func squeezeThenStack(_ frame: UnsafePointer<UInt8>, _ bytesPerRow: Int, _ done: (_ y: Int) -> Void) {
        let (row, line, sums) = (row, line, sums)
        for y in 0..<height {
            let source = frame + y * bytesPerRow
            for i in 0..<4 * width { row[i] = Int32(source[i]) }
            squeeze(into: narrow + 4 * size * y)
        }
        rows.withTaps { y, first, weights in
            let length = 4 * size
            stack(narrow + first * length, stride: length, length: length, weights)
            for i in 0..<length { line[i] = UInt8(truncatingIfNeeded: sums[i] >> 22) }
            done(y)
        }
    }

    private func stackThenSqueeze(_ frame: UnsafePointer<UInt8>, _ bytesPerRow: Int, _ done: (_ y: Int) -> Void) {
        let (row, sums) = (row, sums)
        rows.withTaps { y, first, weights in
            stack(frame + first * bytesPerRow, stride: bytesPerRow, length: 4 * width, weights)
            for i in 0..<4 * width { row[i] = sums[i] >> 22 }
            squeeze(into: line)
            done(y)
        }
    }

    /// `row` → as many pixels as the model's image has in one.
    private func squeeze(into result: UnsafeMutablePointer<UInt8>) {
        let row = row
        columns.withTaps { x, first, weights in
            var (a, b, c, d) = (Resampling.half, Resampling.half, Resampling.half, Resampling.half)
            var pixel = row + 4 * first
            for weight in weights {
                a &+= pixel[0] &* weight
                b &+= pixel[1] &* weight
                c &+= pixel[2] &* weight
                d &+= pixel[3] &* weight
                pixel += 4
            }
            result[4 * x] = UInt8(truncatingIfNeeded: a >> 22)
            result[4 * x + 1] = UInt8(truncatingIfNeeded: b >> 22)
            result[4 * x + 2] = UInt8(truncatingIfNeeded: c >> 22)
            result[4 * x + 3] = UInt8(truncatingIfNeeded: d >> 22)
        }
    }

    /// As many rows as there are weights, each of `length` bytes → `sums`.
    private func stack(
        _ first: UnsafePointer<UInt8>,
        stride: Int,
        length: Int,
        _ weights: UnsafeBufferPointer<Int32>
    ) {
        let sums = sums
        sums.update(repeating: Resampling.half, count: length)
        var source = first
        for weight in weights {
            for i in 0..<length { sums[i] &+= Int32(source[i]) &* weight }
            source += stride
        }
    }

    /// `line` → one row of each plane.
    private func normalize(into row: UnsafeMutablePointer<Float>, red: Int) {
        let (line, area) = (line, size * size)
        Self.values.withUnsafeBufferPointer { values in
            for x in 0..<size {
                row[x] = values[Int(line[4 * x + red])]
                row[area + x] = values[Int(line[4 * x + 1])]
                row[2 * area + x] = values[Int(line[4 * x + 2 - red])]
            }
        }
    }

    /// `(x / 255 - 0.5) / 0.5` of every byte, in float32 as NumPy computes it.
    private static let values: [Float] = (0...255).map { (Float($0) / 255 - 0.5) / 0.5 }
}

/// Which pixels of one axis make a pixel of the result, and how much of each in units of 2⁻²².
///
/// Weights are positive and add up to one: what they make of bytes is a byte.
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
    func withTaps(_ body: (_ position: Int, _ first: Int, _ weights: UnsafeBufferPointer<Int32>) -> Void) {
        weights.withUnsafeBufferPointer { all in
            for (position, range) in taps.enumerated() {
                body(position, first[position], UnsafeBufferPointer(rebasing: all[range]))
            }
        }
    }
}
