import Foundation

/// UTF-8 that was read in an encoding of one byte a character, and is read anew: the steps and the signs of ftfy 6.
///
/// Source: Robyn Speer's [ftfy](https://ftfy.readthedocs.io), whose tables come with the tokenizer.
struct Mojibake: Decodable, Sendable {
    private struct Encoding: Decodable {
        let characters: Scalars
        let restoresSpaces: Bool
        let knowsLosses: Bool

        enum CodingKeys: String, CodingKey {
            case characters
            case restoresSpaces = "restores_spaces"
            case knowsLosses = "knows_losses"
        }
    }

    private let encodings: [Encoding]
    private let bytes: [[UInt32: UInt32]]
    /// Characters that hardly follow one another in text that is sound.
    private let signs: ScalarPattern
    /// What UTF-8's sequences look like in some encoding, and what does not stand before one.
    private let sequences: ScalarPattern
    private let guards: ScalarSet
    /// Bytes of which one was a non-breaking space, and bytes that were lost.
    private let altered: ScalarPattern
    private let lost: ScalarPattern
    /// Control characters that Windows-1252 has others for.
    private let controls: ScalarMap

    private enum CodingKeys: String, CodingKey {
        case encodings, signs, sequences, guards, altered, lost, controls
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        encodings = try container.decode([Encoding].self, forKey: .encodings)
        guard encodings.allSatisfy({ $0.characters.count == 256 }) else {
            throw PEValidateError("an encoding is not of 256 characters")
        }
        bytes = encodings.map { Dictionary(zip($0.characters, UInt32(0)...)) { first, _ in first } }
        signs = try container.decode(ScalarPattern.self, forKey: .signs)
        sequences = try container.decode(ScalarPattern.self, forKey: .sequences)
        guards = try container.decode(ScalarSet.self, forKey: .guards)
        altered = try container.decode(ScalarPattern.self, forKey: .altered)
        lost = try container.decode(ScalarPattern.self, forKey: .lost)
        controls = try container.decode(ScalarMap.self, forKey: .controls)
    }

    func mended(_ text: Scalars) -> Scalars {
        var text = text
        while true {
            let next = mendedOnce(text)
            if next == text { return text }
            text = next
        }
    }

    private func mendedOnce(_ text: Scalars) -> Scalars {
        guard text.contains(where: { $0 >= 0x80 }), signs.occurs(in: text) else { return text }
        for (encoding, table) in zip(encodings, bytes) {
            let read = text.compactMap { table[$0] }
            if read.count == text.count, let meant = decoded(restored(read, encoding)) { return meant }
        }
        let inside = mendedInside(text)
        return inside == text ? controls.applied(to: text) : inside
    }

    /// The text with its sequences mended each by itself, if they are not all of it.
    private func mendedInside(_ text: Scalars) -> Scalars {
        var (found, at) = (Scalars(), 0)
        while at < text.count {
            var end = at
            if at == 0 || !guards.contains(text[at - 1]) {
                while let next = sequences.end(in: text, from: end) { end = next }
            }
            let part = Array(text[at..<max(end, at + 1)])
            let isBad = end > at && part.count < text.count && signs.occurs(in: part)
            found += isBad ? mended(part) : part
            at += part.count
        }
        return found
    }

    private func restored(_ bytes: Scalars, _ encoding: Encoding) -> Scalars {
        var bytes = bytes
        if encoding.restoresSpaces {
            bytes = altered.replaced(in: withGraveWords(bytes)) { $0.map { $0 == 0x20 ? 0xA0 : $0 } }
        }
        if encoding.knowsLosses {
            bytes = lost.replaced(in: bytes) { _ in [0xEF, 0xBF, 0xBD] }
        }
        return bytes
    }

    /// "à" before a space was two bytes, of which the second looked like that space: it is a word of its own, unless
    /// what follows makes it one of Portuguese.
    private func withGraveWords(_ bytes: Scalars) -> Scalars {
        var (found, at) = (Scalars(), 0)
        while at < bytes.count {
            let isGrave = bytes[at...].starts(with: [0xC3, 0x20])
            let continues = isGrave && Self.continuations.contains { bytes[(at + 2)...].starts(with: $0) }
            found += isGrave && !continues ? [0xC3, 0xA0, 0x20] : [bytes[at]]
            at += isGrave && !continues ? 2 : 1
        }
        return found
    }

    private static let continuations = [" ", "quele", "quela", "quilo", "s "].map { $0.unicodeScalars.map(\.value) }

    /// What UTF-8 means, in the variants too that write NUL in two bytes or surrogates in three each; nil if it is not.
    private func decoded(_ bytes: Scalars) -> Scalars? {
        var (decoder, rest, found) = (UTF8(), plain(bytes).map(UInt8.init).makeIterator(), Scalars())
        while true {
            switch decoder.decode(&rest) {
            case .scalarValue(let scalar): found.append(scalar.value)
            case .emptyInput: return found
            case .error: return nil
            }
        }
    }

    private func plain(_ bytes: Scalars) -> Scalars {
        var (found, at) = (Scalars(), 0)
        while at < bytes.count {
            let rest = bytes[at...]
            if rest.starts(with: [0xC0, 0x80]) {
                found.append(0)
                at += 2
            } else if let scalar = surrogatePair(rest.prefix(6)) {
                found += String([scalar]).utf8.map(UInt32.init)
                at += 6
            } else {
                found.append(bytes[at])
                at += 1
            }
        }
        return found
    }

    private func surrogatePair(_ bytes: ArraySlice<UInt32>) -> UInt32? {
        let bounds: [ClosedRange<UInt32>] = [
            0xED...0xED, 0xA0...0xAF, 0x80...0xBF, 0xED...0xED, 0xB0...0xBF, 0x80...0xBF,
        ]
        let six = Array(bytes)
        guard six.count == 6, zip(bounds, six).allSatisfy({ $0.contains($1) }) else { return nil }
        return 0x10000 + (six[1] & 0x0F) << 16 + (six[2] & 0x3F) << 10 + (six[4] & 0x0F) << 6 + six[5] & 0x3F
    }
}
