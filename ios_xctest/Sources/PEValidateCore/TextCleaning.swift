import Foundation

/// Text as CLIP's tokenizer takes it: mended, HTML unescaped, white space collapsed, in lower case.
///
/// It does what Python's `ftfy.fix_text`, `html.unescape` (twice), `str.split` and `str.lower` do, by tables that were
/// read from these libraries. ftfy cuts lines at a million characters, this does not.
struct TextCleaning: Decodable, Sendable {
    private struct Characters: Decodable {
        /// Ligatures, wide and narrow forms, curly quotes, line breaks, and controls that Windows-1252 has others for.
        let replaced: ScalarMap
        let removed: ScalarSet
        let decimals: ScalarSet
    }

    private struct Cases: Decodable {
        let lower: ScalarMap
        let cased: ScalarSet
        /// What is passed over when it is asked whether letters stand beside a sigma.
        let ignorable: ScalarSet
    }

    private let characters: Characters
    private let cases: Cases
    private let blanks: ScalarSet
    private let entities: HTMLEntities
    private let mojibake: Mojibake
    private let normalForm: NormalForm

    private enum CodingKeys: String, CodingKey {
        case cases, blanks, entities, mojibake
        case characters = "mended"
        case normalForm = "normal_form"
    }

    private static let (lineFeed, carriageReturn, escape): (UInt32, UInt32, UInt32) = (0x0A, 0x0D, 0x1B)
    private static let (space, bracket, semicolon, less): (UInt32, UInt32, UInt32, UInt32) = (0x20, 0x5B, 0x3B, 0x3C)
    private static let (sigma, finalSigma): (UInt32, UInt32) = (0x3A3, 0x3C2)

    func callAsFunction(_ text: Scalars) -> Scalars {
        let plain = entities.unescaped(entities.unescaped(mended(text)))
        return lowered(Scalars(plain.split(whereSeparator: blanks.contains).joined(separator: [Self.space])))
    }

    /// Line by line; after the first line with a tag, entities are taken for meant.
    func mended(_ text: Scalars) -> Scalars {
        var (found, rest, hasTags) = (Scalars(), text[...], false)
        while !rest.isEmpty {
            let end = rest.firstIndex(of: Self.lineFeed).map { $0 + 1 } ?? rest.endIndex
            let line = Scalars(rest[..<end])
            rest = rest[end...]
            hasTags = hasTags || line.contains(Self.less)
            found += mended(line: line, unescaping: !hasTags)
        }
        return found
    }

    private func mended(line: Scalars, unescaping: Bool) -> Scalars {
        var line = line
        while true {
            let before = line
            if unescaping { line = entities.unescapedIfCertain(line) }
            line = characters.replaced.applied(to: withPlainBreaks(mojibake.mended(line)))
            line = withoutEscapes(line)
            line.removeAll(where: characters.removed.contains)
            line = normalForm(line)
            if line == before { return line }
        }
    }

    /// A carriage return and a line feed are one break.
    private func withPlainBreaks(_ text: Scalars) -> Scalars {
        text.indices.filter { !text[$0...].starts(with: [Self.carriageReturn, Self.lineFeed]) }.map { text[$0] }
    }

    /// Without what colours text in a terminal: escape, `[`, numbers, and a letter.
    private func withoutEscapes(_ text: Scalars) -> Scalars {
        var (found, at) = (Scalars(), 0)
        while at < text.count {
            if text[at...].starts(with: [Self.escape, Self.bracket]) {
                let numbers = text[(at + 2)...].prefix { $0 == Self.semicolon || characters.decimals.contains($0) }
                if numbers.endIndex < text.count, isLetter(text[numbers.endIndex]) {
                    at = numbers.endIndex + 1
                    continue
                }
            }
            found.append(text[at])
            at += 1
        }
        return found
    }

    func lowered(_ text: Scalars) -> Scalars {
        text.indices.flatMap { at -> Scalars in
            if text[at] == Self.sigma, endsWord(text, at) { return [Self.finalSigma] }
            return cases.lower[text[at]] ?? [text[at]]
        }
    }

    /// Whether a letter stands before and none after.
    private func endsWord(_ text: Scalars, _ at: Int) -> Bool {
        let before = text[..<at].last { !cases.ignorable.contains($0) }
        let after = text[(at + 1)...].first { !cases.ignorable.contains($0) }
        return before.map(cases.cased.contains) == true && after.map(cases.cased.contains) != true
    }
}

private func isLetter(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0x41...0x5A, 0x61...0x7A: true
    default: false
    }
}
