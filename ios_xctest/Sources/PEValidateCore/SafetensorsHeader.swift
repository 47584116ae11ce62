import Foundation

/// The header of a safetensors file: JSON of one fixed shape, and of no other.
///
/// It is read by its own grammar because JSON readers keep one of two equal keys without a word, and because of what is
/// as deep as a stranger likes nothing is read at all.
struct SafetensorsHeader {
    struct Entry {
        var dtype = ""
        var shape: [Int] = []
        var offsets: [Int] = []
    }

    private(set) var tensors: [String: Entry] = [:]
    private(set) var metadata: [String: String] = [:]

    private var bytes: ArraySlice<UInt8>

    /// - Throws: `PEValidateError` at the first byte that does not belong there.
    init(json: some Sequence<UInt8>) throws {
        bytes = Array(json)[...]
        var names: Set<String> = []
        try object { header, name in
            guard names.insert(name).inserted else { throw header.mistake("'\(name)' is there twice") }
            if name == "__metadata__" {
                try header.object { header, key in
                    guard header.metadata.updateValue(try header.string(), forKey: key) == nil else {
                        throw header.mistake("'\(key)' is there twice")
                    }
                }
            } else {
                header.tensors[name] = try header.entry()
            }
        }
        skipBlanks()
        guard bytes.isEmpty else { throw mistake("there is something behind it") }
    }

    private mutating func entry() throws -> Entry {
        var entry = Entry()
        var keys: Set<String> = []
        try object { header, key in
            guard keys.insert(key).inserted else { throw header.mistake("'\(key)' is there twice") }
            switch key {
            case "dtype": entry.dtype = try header.string()
            case "shape": entry.shape = try header.integers()
            case "data_offsets": entry.offsets = try header.integers()
            default: throw header.mistake("'\(key)' is not a property of a tensor")
            }
        }
        guard keys.count == 3, entry.offsets.count == 2 else { throw mistake("a tensor lacks a property") }
        return entry
    }

    private mutating func object(_ member: (inout SafetensorsHeader, String) throws -> Void) throws {
        try expect("{")
        if take("}") { return }
        repeat {
            let key = try string()
            try expect(":")
            try member(&self, key)
        } while take(",")
        try expect("}")
    }

    private mutating func integers() throws -> [Int] {
        try expect("[")
        if take("]") { return [] }
        var found: [Int] = []
        repeat {
            skipBlanks()
            let digits = bytes.prefix { UInt8(ascii: "0") <= $0 && $0 <= UInt8(ascii: "9") }
            guard let number = Int(String(decoding: digits, as: UTF8.self)) else {
                throw mistake("a whole number that fits 63 bits is wanted")
            }
            bytes = bytes.dropFirst(digits.count)
            found.append(number)
        } while take(",")
        try expect("]")
        return found
    }

    private mutating func string() throws -> String {
        skipBlanks()
        guard bytes.first == UInt8(ascii: "\"") else { throw mistake("a string is wanted") }
        var end = bytes.startIndex + 1
        while end < bytes.endIndex, bytes[end] != UInt8(ascii: "\"") {
            end += bytes[end] == UInt8(ascii: "\\") ? 2 : 1
        }
        guard end < bytes.endIndex else { throw mistake("a string does not end") }
        let literal = bytes[bytes.startIndex...end]
        // Foundation knows the escapes.
        let array = Data("[".utf8) + Data(literal) + Data("]".utf8)
        guard let text = try? JSONDecoder().decode([String].self, from: array).first else {
            throw mistake("a string is not well formed")
        }
        bytes = bytes[(end + 1)...]
        return text
    }

    private mutating func expect(_ character: Unicode.Scalar) throws {
        guard take(character) else { throw mistake("'\(character)' is wanted") }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        skipBlanks()
        guard bytes.first == UInt8(ascii: character) else { return false }
        bytes = bytes.dropFirst()
        return true
    }

    private mutating func skipBlanks() {
        bytes = bytes.drop { [0x20, 0x09, 0x0A, 0x0D].contains($0) }
    }

    private func mistake(_ what: String) -> PEValidateError {
        PEValidateError("the header is not one of safetensors at byte \(bytes.startIndex): \(what)")
    }
}
