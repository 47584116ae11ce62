import Foundation

/// A safetensors file, mapped into memory and checked whole before anything is read.
///
/// Format: eight bytes of header length, the header, then the tensors without gap or overlap
/// (github.com/huggingface/safetensors).
public struct TensorFile: Sendable {
    /// One tensor: row-major, little-endian.
    public struct Entry: Equatable, Sendable {
        public let dtype: String
        public let shape: [Int]
        let range: Range<Int>
    }

    public let tensors: [String: Entry]
    public let metadata: [String: String]
    private let data: Data

    static let largestHeader = 100_000_000
    static let sizes = [
        "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
        "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8,
    ]

    /// - Throws: `PEValidateError` when the file is missing or is not a safetensors file.
    public init(contentsOf url: URL) throws {
        let content: Data
        do {
            content = try Data(contentsOf: url, options: .alwaysMapped)
        } catch {
            throw PEValidateError("'\(url.path)' cannot be read: \(error.localizedDescription)")
        }
        do {
            try self.init(data: content)
        } catch {
            throw PEValidateError("'\(url.path)' cannot be used: \(error).")
        }
    }

    /// - Throws: `PEValidateError` when `data` is not the content of a safetensors file.
    public init(data: Data) throws {
        guard data.count >= 8 else {
            throw PEValidateError("it has \(data.count) bytes, fewer than any safetensors file")
        }
        let announced = data.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
        guard announced <= UInt64(min(Self.largestHeader, data.count - 8)) else {
            throw PEValidateError("its header is said to have \(announced) bytes, more than the file or any sound one")
        }
        let begin = 8 + Int(announced)
        let header = try SafetensorsHeader(json: data.dropFirst(8).prefix(Int(announced)))
        var tensors: [String: Entry] = [:]
        var end = 0
        for (name, entry) in header.tensors.sorted(by: { $0.value.offsets.lexicographicallyPrecedes($1.value.offsets) })
        {
            guard let size = Self.size(of: entry) else {
                throw PEValidateError("the dtype or shape of '\(name)' is none: \(entry.dtype) \(entry.shape)")
            }
            guard entry.offsets[0] == end, entry.offsets[1] >= end, entry.offsets[1] - end == size else {
                throw PEValidateError(
                    "'\(name)' is said to be bytes \(entry.offsets), and \(size) bytes from \(end) are wanted"
                )
            }
            guard entry.offsets[1] <= data.count - begin else {
                throw PEValidateError("'\(name)' ends behind the end of the file")
            }
            end = entry.offsets[1]
            tensors[name] = Entry(dtype: entry.dtype, shape: entry.shape, range: begin + end - size..<begin + end)
        }
        guard end == data.count - begin else {
            throw PEValidateError("\(data.count - begin - end) bytes belong to no tensor")
        }
        self.tensors = tensors
        self.metadata = header.metadata
        self.data = data
    }

    /// The values of a float32 tensor.
    ///
    /// - Throws: `PEValidateError` when there is no such tensor, or it is of another type.
    public func floats(_ name: String) throws -> [Float] {
        try words(of: name, dtype: "F32").map(Float.init(bitPattern:))
    }

    /// The values of an int32 tensor.
    ///
    /// - Throws: `PEValidateError` when there is no such tensor, or it is of another type.
    public func integers(_ name: String) throws -> [Int32] {
        try words(of: name, dtype: "I32").map(Int32.init(bitPattern:))
    }

    /// The values of a uint8 tensor.
    ///
    /// - Throws: `PEValidateError` when there is no such tensor, or it is of another type.
    public func bytes(_ name: String) throws -> [UInt8] {
        try withBytes(of: name, dtype: "U8") { Array($0) }
    }

    /// Four bytes a value.
    private func words(of name: String, dtype: String) throws -> [UInt32] {
        try withBytes(of: name, dtype: dtype) { bytes in
            (0..<bytes.count / 4).map {
                UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self))
            }
        }
    }

    private func withBytes<Result>(
        of name: String,
        dtype: String,
        _ body: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result {
        guard let entry = tensors[name] else { throw PEValidateError("the file has no tensor '\(name)'") }
        guard entry.dtype == dtype else {
            throw PEValidateError("tensor '\(name)' is \(entry.dtype), and \(dtype) is wanted")
        }
        return try data.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[entry.range])) }
    }

    /// Bytes of a tensor; nil when its dtype is unknown or they cannot be counted.
    private static func size(of entry: SafetensorsHeader.Entry) -> Int? {
        guard var size = sizes[entry.dtype] else { return nil }
        for extent in entry.shape {
            let (product, overflow) = size.multipliedReportingOverflow(by: extent)
            guard !overflow else { return nil }
            size = product
        }
        return size
    }
}
