import Foundation

/// What HTML writes for characters, as Python's `html.unescape` reads it, and more carefully, as ftfy does.
struct HTMLEntities: Decodable, Sendable {
    /// Without the ampersand, and with the semicolon unless it may be missing.
    private let named: [String: String]
    /// Names in capitals that HTML does not know.
    private let capitals: [String: String]
    /// Numbers that stand for another character, or for none.
    private let references: ScalarMap

    private static let (ampersand, hash, semicolon): (UInt32, UInt32, UInt32) = (0x26, 0x23, 0x3B)
    private static let replacement: UInt32 = 0xFFFD
    /// Beyond the last scalar.
    private static let tooLarge: UInt32 = 0x110000
    private static let longestGuess = 32
    private static let longestCertain = 24

    /// Every entity, and what begins like one.
    func unescaped(_ text: Scalars) -> Scalars {
        replaced(in: text) { after in
            after.first == Self.hash ? numeric(after.dropFirst()) : guessed(after)
        }
    }

    /// Those alone that end in a semicolon and are known as a whole.
    func unescapedIfCertain(_ text: Scalars) -> Scalars {
        replaced(in: text) { after in
            let isNumber = after.first == Self.hash
            let digits = after.dropFirst(isNumber ? 1 : 0).prefix(Self.longestCertain).prefix(while: isAlphanumeric)
            let count = digits.count + (isNumber ? 1 : 0)
            guard !digits.isEmpty, after.dropFirst(count).first == Self.semicolon else { return nil }
            let name = after.prefix(count + 1)
            if !isNumber {
                return (meaning(of: name, in: named) ?? meaning(of: name, in: capitals)).map { ($0, name.count) }
            }
            let meant = unescaped([Self.ampersand] + name)
            return meant.contains(Self.semicolon) ? nil : (meant, name.count)
        }
    }

    /// The text with what follows an ampersand replaced, where `read` says by what, and how much of it.
    private func replaced(
        in text: Scalars,
        read: (ArraySlice<UInt32>) -> (meaning: Scalars, count: Int)?
    ) -> Scalars {
        guard text.contains(Self.ampersand) else { return text }
        var (found, at) = (Scalars(), 0)
        while at < text.count {
            if text[at] == Self.ampersand, let (meaning, count) = read(text[(at + 1)...]) {
                found += meaning
                at += 1 + count
            } else {
                found.append(text[at])
                at += 1
            }
        }
        return found
    }

    /// What follows `&#`.
    private func numeric(_ after: ArraySlice<UInt32>) -> (Scalars, Int)? {
        let isHex = after.first == 0x78 || after.first == 0x58
        let base: UInt32 = isHex ? 16 : 10
        let digits = after.dropFirst(isHex ? 1 : 0).prefix { digit($0).map { $0 < base } ?? false }
        guard !digits.isEmpty else { return nil }
        let value = digits.reduce(0) { min($0 * base + (digit($1) ?? 0), Self.tooLarge) }
        let end = 1 + (isHex ? 1 : 0) + digits.count
        let count = end + (after.dropFirst(end - 1).first == Self.semicolon ? 1 : 0)
        let meaning = references[value] ?? [Unicode.Scalar(value)?.value ?? Self.replacement]
        return (meaning, count)
    }

    /// The longest name that this begins with; what follows it stays.
    private func guessed(_ after: ArraySlice<UInt32>) -> (Scalars, Int)? {
        let ends: Set<UInt32> = [0x09, 0x0A, 0x0C, 0x20, 0x3C, Self.ampersand, Self.hash, Self.semicolon]
        var name = after.prefix(Self.longestGuess).prefix { !ends.contains($0) }
        guard !name.isEmpty else { return nil }
        if after.dropFirst(name.count).first == Self.semicolon { name = after.prefix(name.count + 1) }
        if let whole = meaning(of: name, in: named) { return (whole, name.count) }
        for count in stride(from: name.count - 1, to: 1, by: -1) {
            if let part = meaning(of: name.prefix(count), in: named) { return (part, count) }
        }
        // What is no entity is read once, ampersand and all.
        return ([Self.ampersand] + name, name.count)
    }

    /// Names are ASCII: others may be equal to one as strings.
    private func meaning(of name: ArraySlice<UInt32>, in table: [String: String]) -> Scalars? {
        guard name.allSatisfy({ $0 < 0x80 }) else { return nil }
        return table[String(name)]?.unicodeScalars.map(\.value)
    }
}

private func digit(_ scalar: UInt32) -> UInt32? {
    switch scalar {
    case 0x30...0x39: scalar - 0x30
    case 0x41...0x46: scalar - 0x41 + 10
    case 0x61...0x66: scalar - 0x61 + 10
    default: nil
    }
}

private func isAlphanumeric(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
    default: false
    }
}
