import Foundation

/// Unicode's normal form C (UAX 15) by tables that came with the tokenizer: the same on every system.
struct NormalForm: Decodable, Sendable {
    private let classes: ScalarMap
    private let decompositions: ScalarMap
    private let compositions: [UInt64: UInt32]

    private enum CodingKeys: String, CodingKey {
        case classes, decompositions, compositions
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        classes = try container.decode(ScalarMap.self, forKey: .classes)
        decompositions = try container.decode(ScalarMap.self, forKey: .decompositions)
        let triples = try container.decode([Scalars].self, forKey: .compositions)
        guard triples.allSatisfy({ $0.count == 3 }) else {
            throw PEValidateError("a composition is not of two characters to one")
        }
        compositions = Dictionary(triples.map { (pair($0[0], $0[1]), $0[2]) }) { $1 }
    }

    func callAsFunction(_ text: Scalars) -> Scalars {
        // Below there is nothing that is composed with what comes before it.
        guard text.contains(where: { $0 >= 0x300 }) else { return text }
        return composed(ordered(text.flatMap(decomposed)))
    }

    private func combiningClass(_ scalar: UInt32) -> UInt32 { classes[scalar]?.first ?? 0 }

    private func decomposed(_ scalar: UInt32) -> Scalars {
        guard Hangul.syllables.contains(scalar) else { return decompositions[scalar] ?? [scalar] }
        let index = scalar - Hangul.syllables.lowerBound
        let (lead, rest) = index.quotientAndRemainder(dividingBy: Hangul.vowels * Hangul.trails)
        let (vowel, trail) = rest.quotientAndRemainder(dividingBy: Hangul.trails)
        return [Hangul.lead + lead, Hangul.vowel + vowel] + (trail > 0 ? [Hangul.trail + trail] : [])
    }

    /// Marks in the order of their classes, those of one class as they were.
    private func ordered(_ text: Scalars) -> Scalars {
        var found = text
        for end in found.indices.dropFirst() {
            let own = combiningClass(found[end])
            var at = end
            while own > 0, at > 0, combiningClass(found[at - 1]) > own {
                found.swapAt(at - 1, at)
                at -= 1
            }
        }
        return found
    }

    private func composed(_ text: Scalars) -> Scalars {
        var found = Scalars()
        var starter: Int?
        // The class of what stands last since the starter, or nil.
        var last: UInt32?
        for scalar in text {
            let own = combiningClass(scalar)
            if let starter, last.map({ $0 < own }) ?? true, let whole = composition(found[starter], scalar) {
                found[starter] = whole
                continue
            }
            if own == 0 { (starter, last) = (found.count, nil) } else { last = own }
            found.append(scalar)
        }
        return found
    }

    private func composition(_ first: UInt32, _ second: UInt32) -> UInt32? {
        if (Hangul.lead..<Hangul.lead + Hangul.leads).contains(first),
            (Hangul.vowel..<Hangul.vowel + Hangul.vowels).contains(second)
        {
            let index = (first - Hangul.lead) * Hangul.vowels + second - Hangul.vowel
            return Hangul.syllables.lowerBound + index * Hangul.trails
        }
        if Hangul.syllables.contains(first),
            (first - Hangul.syllables.lowerBound).isMultiple(of: Hangul.trails),
            (Hangul.trail + 1..<Hangul.trail + Hangul.trails).contains(second)
        {
            return first + second - Hangul.trail
        }
        return compositions[pair(first, second)]
    }
}

/// Syllables are composed by arithmetic (Unicode 15, 3.12). There is no trail at `trail` itself.
private enum Hangul {
    static let syllables: Range<UInt32> = 0xAC00..<0xD7A4
    static let (lead, leads): (UInt32, UInt32) = (0x1100, 19)
    static let (vowel, vowels): (UInt32, UInt32) = (0x1161, 21)
    static let (trail, trails): (UInt32, UInt32) = (0x11A7, 28)
}

private func pair(_ first: UInt32, _ second: UInt32) -> UInt64 { UInt64(first) << 32 | UInt64(second) }
