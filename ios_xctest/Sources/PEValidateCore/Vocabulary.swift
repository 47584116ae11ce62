import Foundation

/// The byte pairs of CLIP, and what it takes for a word.
struct Vocabulary: Decodable, Sendable {
    let start: Int32
    let end: Int32
    /// The id of each byte, inside a word and as its last.
    private let bytes: [Int32]
    private let lastBytes: [Int32]
    /// The id of two that were merged; the lower, the earlier.
    private let merged: [UInt64: Int32]
    /// Words whatever follows them, such as `'s`.
    private let fixed: [Scalars]
    private let letters: ScalarSet
    private let numbers: ScalarSet
    private let spaces: ScalarSet

    private enum CodingKeys: String, CodingKey {
        case start, end, bytes, merges, letters, numbers, spaces
        case lastBytes = "last_bytes"
        case firstMerged = "first_merged"
        case fixed = "words"
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        start = try container.decode(Int32.self, forKey: .start)
        end = try container.decode(Int32.self, forKey: .end)
        bytes = try container.decode([Int32].self, forKey: .bytes)
        lastBytes = try container.decode([Int32].self, forKey: .lastBytes)
        fixed = try container.decode([String].self, forKey: .fixed).map { $0.unicodeScalars.map(\.value) }
        letters = try container.decode(ScalarSet.self, forKey: .letters)
        numbers = try container.decode(ScalarSet.self, forKey: .numbers)
        spaces = try container.decode(ScalarSet.self, forKey: .spaces)
        let first = try container.decode(Int32.self, forKey: .firstMerged)
        merged = try Self.merged(container.decode([Int32].self, forKey: .merges), from: first)
        guard bytes.count == 256, lastBytes.count == 256, !fixed.contains([]), Int(first) + merged.count == Int(start)
        else {
            throw PEValidateError("its parts do not belong together")
        }
    }

    /// Ids by pairs that are given in the order of their merges, each made of what there is by then.
    private static func merged(_ parts: [Int32], from first: Int32) throws -> [UInt64: Int32] {
        var found: [UInt64: Int32] = [:]
        found.reserveCapacity(parts.count / 2)
        for (place, at) in stride(from: 0, to: parts.count - 1, by: 2).enumerated() {
            let id = first + Int32(place)
            guard (0..<id).contains(parts[at]), (0..<id).contains(parts[at + 1]) else {
                throw PEValidateError("merge \(place) is of what is made later")
            }
            found[pair(parts[at], parts[at + 1])] = id
        }
        return found
    }

    /// A fixed word, letters, one number, or other signs up to a space.
    func words(of text: Scalars) -> [ArraySlice<UInt32>] {
        var (found, rest) = ([ArraySlice<UInt32>](), text[...])
        while let next = rest.first {
            let word: ArraySlice<UInt32>
            if let known = fixed.first(where: { rest.starts(with: $0) }) {
                word = rest.prefix(known.count)
            } else if letters.contains(next) {
                word = rest.prefix(while: letters.contains)
            } else if numbers.contains(next) || spaces.contains(next) {
                word = rest.prefix(1)
            } else {
                word = rest.prefix { !letters.contains($0) && !numbers.contains($0) && !spaces.contains($0) }
            }
            if !spaces.contains(next) { found.append(word) }
            rest = rest[word.endIndex...]
        }
        return found
    }

    /// A word's bytes, of which the pair with the earliest merge is merged until none is left.
    func ids(of word: ArraySlice<UInt32>) -> [Int32] {
        let utf8 = Array(String(word).utf8)
        guard let last = utf8.last else { return [] }
        var ids = utf8.dropLast().map { bytes[Int($0)] } + [lastBytes[Int(last)]]
        while let next = zip(ids, ids.dropFirst()).compactMap({ merged[pair($0, $1)] }).min() {
            ids = merging(ids, to: next)
        }
        return ids
    }

    /// Ids with every pair that is merged to `id` merged, from the left.
    private func merging(_ ids: [Int32], to id: Int32) -> [Int32] {
        var found: [Int32] = []
        var at = 0
        while at < ids.count {
            let isPair = at + 1 < ids.count && merged[pair(ids[at], ids[at + 1])] == id
            found.append(isPair ? id : ids[at])
            at += isPair ? 2 : 1
        }
        return found
    }
}

private func pair(_ first: Int32, _ second: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: first)) << 32 | UInt64(UInt32(bitPattern: second))
}
