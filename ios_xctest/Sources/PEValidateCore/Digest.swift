import Foundation

/// SHA-256 (FIPS 180-4), and what the project calls the digest of an artifact.
///
/// Linux's Foundation has none; the same one everywhere is the one that was tested.
public enum Digest {
    /// Sha256 of a file in hexadecimal; of a package folder, over relative names and contents in sorted order.
    ///
    /// - Throws: `PEValidateError` when something cannot be read.
    public static func of(_ url: URL) throws -> String {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder) else {
            throw PEValidateError("'\(url.path)' is missing.")
        }
        guard isFolder.boolValue else {
            do {
                return sha256(try Data(contentsOf: url, options: .alwaysMapped))
            } catch {
                throw PEValidateError("'\(url.path)' cannot be read: \(error.localizedDescription)")
            }
        }
        var listing = ""
        for name in try files(in: url) {
            listing += "\(name)\0\(try of(url.appendingPathComponent(name)))\n"
        }
        return sha256(Data(listing.utf8))
    }

    /// In hexadecimal.
    public static func sha256(_ data: Data) -> String {
        var state = initial
        let whole = data.count / 64 * 64
        data.withUnsafeBytes { bytes in
            compress(UnsafeRawBufferPointer(rebasing: bytes[..<whole]), into: &state)
        }
        var tail = Array(data.suffix(data.count - whole)) + [0x80]
        tail += [UInt8](repeating: 0, count: (120 - tail.count) % 64)
        withUnsafeBytes(of: (UInt64(data.count) * 8).bigEndian) { tail += $0 }
        tail.withUnsafeBytes { compress($0, into: &state) }
        return state.map { word in
            let digits = String(word, radix: 16)
            return String(repeating: "0", count: 8 - digits.count) + digits
        }.joined()
    }

    /// Relative names of all files under a folder, ordered part by part as their bytes are.
    private static func files(in folder: URL) throws -> [String] {
        guard let found = FileManager.default.enumerator(atPath: folder.path) else {
            throw PEValidateError("'\(folder.path)' cannot be listed.")
        }
        var names: [String] = []
        while let name = found.nextObject() as? String {
            var isFolder: ObjCBool = false
            let path = folder.appendingPathComponent(name).path
            if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), !isFolder.boolValue {
                names.append(name)
            }
        }
        func parts(_ name: String) -> [[UInt8]] { name.split(separator: "/").map { Array($0.utf8) } }
        return names.sorted {
            parts($0).lexicographicallyPrecedes(parts($1)) { $0.lexicographicallyPrecedes($1) }
        }
    }

    private static func compress(_ blocks: UnsafeRawBufferPointer, into state: inout [UInt32]) {
        var schedule = [UInt32](repeating: 0, count: 64)
        schedule.withUnsafeMutableBufferPointer { w in
            for start in stride(from: 0, to: blocks.count, by: 64) {
                for i in 0..<16 {
                    w[i] = UInt32(bigEndian: blocks.loadUnaligned(fromByteOffset: start + 4 * i, as: UInt32.self))
                }
                for i in 16..<64 {
                    let s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ (w[i - 15] >> 3)
                    let s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ (w[i - 2] >> 10)
                    w[i] = w[i - 16] &+ s0 &+ w[i - 7] &+ s1
                }
                rounds(w, &state)
            }
        }
    }

    private static func rounds(_ w: UnsafeMutableBufferPointer<UInt32>, _ state: inout [UInt32]) {
        var (a, b, c, d) = (state[0], state[1], state[2], state[3])
        var (e, f, g, h) = (state[4], state[5], state[6], state[7])
        constants.withUnsafeBufferPointer { k in
            for i in 0..<64 {
                let s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)
                let t1 = h &+ s1 &+ ((e & f) ^ (~e & g)) &+ k[i] &+ w[i]
                let s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)
                let t2 = s0 &+ ((a & b) ^ (a & c) ^ (b & c))
                (h, g, f, e, d, c, b, a) = (g, f, e, d &+ t1, c, b, a, t1 &+ t2)
            }
        }
        for (i, value) in [a, b, c, d, e, f, g, h].enumerated() { state[i] &+= value }
    }

    @inline(__always) private static func rotate(_ x: UInt32, _ n: UInt32) -> UInt32 { x >> n | x << (32 - n) }

    private static let primes: [Double] = {
        var found: [Int] = []
        for n in 2... where !found.contains(where: { n.isMultiple(of: $0) }) {
            found.append(n)
            if found.count == 64 { break }
        }
        return found.map(Double.init)
    }()

    /// The first 32 bits of the fractional part, which float64 holds with room to spare.
    private static func fraction(_ x: Double) -> UInt32 { UInt32((x - x.rounded(.down)) * 4_294_967_296) }

    private static let initial = primes.prefix(8).map { fraction($0.squareRoot()) }
    private static let constants = primes.map { fraction(cbrt($0)) }
}
