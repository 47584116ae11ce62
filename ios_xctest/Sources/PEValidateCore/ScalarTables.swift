import Foundation

/// Scalar values of a text. Strings are equal in Swift when they are canonically equivalent, which is too coarse here.
typealias Scalars = [UInt32]

extension String {
    init(_ scalars: some Sequence<UInt32>) {
        var view = UnicodeScalarView()
        view.append(contentsOf: scalars.lazy.compactMap(Unicode.Scalar.init))
        self.init(view)
    }
}

/// A set of scalar values; in JSON the first and the last of each range, in order.
struct ScalarSet: Decodable, Sendable {
    private let bounds: [UInt32]

    var isEmpty: Bool { bounds.isEmpty }

    init(from decoder: any Decoder) throws {
        bounds = try decoder.singleValueContainer().decode([UInt32].self)
        guard bounds.count.isMultiple(of: 2), zip(bounds, bounds.dropFirst()).allSatisfy({ $0 <= $1 }) else {
            throw PEValidateError("a set of characters is not made of ranges in order")
        }
    }

    func contains(_ scalar: UInt32) -> Bool {
        var (low, high) = (0, bounds.count / 2)
        while low < high {
            let middle = (low + high) / 2
            if bounds[2 * middle + 1] < scalar { low = middle + 1 } else { high = middle }
        }
        return 2 * low < bounds.count && bounds[2 * low] <= scalar
    }
}

/// What some scalar values become; in JSON a row for each, itself first.
struct ScalarMap: Decodable, Sendable {
    private let rows: [UInt32: Scalars]

    init(from decoder: any Decoder) throws {
        let listed = try decoder.singleValueContainer().decode([Scalars].self)
        guard listed.allSatisfy({ !$0.isEmpty }) else { throw PEValidateError("a row of a table is empty") }
        rows = Dictionary(listed.map { ($0[0], Array($0.dropFirst())) }) { $1 }
    }

    subscript(_ scalar: UInt32) -> Scalars? { rows[scalar] }

    func applied(to text: Scalars) -> Scalars {
        var found = Scalars()
        found.reserveCapacity(text.count)
        for scalar in text {
            if let row = rows[scalar] { found += row } else { found.append(scalar) }
        }
        return found
    }
}

/// Sets of scalar values that follow one another, in alternatives; an empty set is the start of the text.
struct ScalarPattern: Decodable, Sendable {
    private let alternatives: [[ScalarSet]]

    init(from decoder: any Decoder) throws {
        alternatives = try decoder.singleValueContainer().decode([[ScalarSet]].self)
    }

    /// Where a match that begins at `start` ends, by the first alternative that fits, or nil.
    func end(in text: Scalars, from start: Int) -> Int? {
        for sets in alternatives {
            var at = start
            let fits = sets.allSatisfy { set in
                if set.isEmpty { return at == 0 }
                guard at < text.count, set.contains(text[at]) else { return false }
                at += 1
                return true
            }
            if fits, at > start { return at }
        }
        return nil
    }

    func occurs(in text: Scalars) -> Bool {
        text.indices.contains { end(in: text, from: $0) != nil }
    }

    /// The text with each match replaced, the leftmost first.
    func replaced(in text: Scalars, by replacement: (ArraySlice<UInt32>) -> Scalars) -> Scalars {
        var (found, at) = (Scalars(), 0)
        while at < text.count {
            if let end = end(in: text, from: at) {
                found += replacement(text[at..<end])
                at = end
            } else {
                found.append(text[at])
                at += 1
            }
        }
        return found
    }
}
