import Foundation

/// How far `actual` is from `reference`; nothing is judged here.
///
/// The same numbers as `pe_validate.compare`, in float64. When a value is not finite they are the worst there are:
/// ∞, ∞, -∞ and -1.
public struct Comparison: Codable, Equatable, Sendable {
    /// Largest absolute difference.
    public let maxAbs: Double
    /// The same, in units of the reference's standard deviation.
    public let maxRel: Double
    /// 10 log10 (Σ reference² / Σ difference²) in dB; +∞ when they are equal.
    public let snrDb: Double
    /// Cosine similarity along the last axis, of the token where it is smallest.
    public let cosine: Double
    /// No NaN and no infinity on either side.
    public let finite: Bool

    public init(maxAbs: Double, maxRel: Double, snrDb: Double, cosine: Double, finite: Bool) {
        (self.maxAbs, self.maxRel, self.snrDb, self.cosine, self.finite) = (maxAbs, maxRel, snrDb, cosine, finite)
    }

    /// Compare two row-major tensors of `shape`, `[..., dim]`.
    ///
    /// - Throws: `PEValidateError` when there is nothing to compare, or the counts are not those of `shape`.
    public init(
        reference: some Collection<some BinaryFloatingPoint>,
        actual: some Collection<some BinaryFloatingPoint>,
        shape: [Int]
    )
        throws
    {
        let expected = reference.map { Double($0) }
        let found = actual.map { Double($0) }
        guard let width = shape.last, !expected.isEmpty else { throw PEValidateError("there is nothing to compare") }
        guard expected.count == shape.reduce(1, *), found.count == expected.count else {
            throw PEValidateError("\(expected.count) and \(found.count) values cannot be compared as \(shape)")
        }
        guard expected.allSatisfy(\.isFinite), found.allSatisfy(\.isFinite) else {
            self.init(maxAbs: .infinity, maxRel: .infinity, snrDb: -.infinity, cosine: -1, finite: false)
            return
        }
        let difference = zip(found, expected).map { $0 - $1 }
        let maxAbs = largest(difference)
        let tokens = stride(from: 0, to: expected.count, by: width).map { $0..<$0 + width }
        self.init(
            maxAbs: maxAbs,
            maxRel: ratio(maxAbs, deviation(expected)),
            snrDb: maxAbs == 0 ? .infinity : 20 * log10(ratio(norm(expected[...]), norm(difference[...]))),
            cosine: smallest(tokens.map { cosineSimilarity(expected[$0], found[$0]) }),
            finite: true
        )
    }

    /// The worst of each number over several comparisons; nil when there are none.
    public static func worst(_ all: [Comparison]) -> Comparison? {
        guard let first = all.first else { return nil }
        return all.dropFirst().reduce(first) { worst, next in
            Comparison(
                maxAbs: max(worst.maxAbs, next.maxAbs),
                maxRel: max(worst.maxRel, next.maxRel),
                snrDb: min(worst.snrDb, next.snrDb),
                cosine: min(worst.cosine, next.cosine),
                finite: worst.finite && next.finite
            )
        }
    }
}

extension Comparison {
    /// The limits that the comparison breaks, each as 'observed, limit'; nil when it keeps them all.
    public func breach(of limits: Limits) -> String? {
        guard finite else { return "a value that is not finite" }
        var broken: [String] = []
        // Written so that a NaN breaks them.
        if !(maxRel <= limits.maxRel) {
            broken.append(String(format: "max |Δ| %.3g σ, limit %g σ", maxRel, limits.maxRel))
        }
        if !(snrDb >= limits.snrDb) { broken.append(String(format: "SNR %.1f dB, limit %g dB", snrDb, limits.snrDb)) }
        if !(cosine >= limits.cosine) {
            broken.append(String(format: "cosine %.6f, limit %g", cosine, limits.cosine))
        }
        return broken.isEmpty ? nil : broken.joined(separator: " and ")
    }
}

/// Cosine similarity; 1 for two zero vectors, 0 when only one of them is zero.
func cosineSimilarity(_ a: some Collection<Double>, _ b: some Collection<Double>) -> Double {
    let (first, second) = (unit(a), unit(b))
    if !first.contains(where: { $0 != 0 }), !second.contains(where: { $0 != 0 }) { return 1 }
    let product = zip(first, second).reduce(0) { $0 + $1.0 * $1.1 }
    return product.isNaN ? product : min(max(product, -1), 1)
}

/// A vector scaled to length 1, first by its largest value so that none leaves float64's range; zero stays zero.
func unit(_ x: some Collection<Double>) -> [Double] {
    let scale = largest(x)
    guard scale > 0 else { return [Double](repeating: 0, count: x.count) }
    let scaled = x.map { $0 / scale }
    let length = scaled.reduce(0) { $0 + $1 * $1 }.squareRoot()
    return scaled.map { length > 0 ? $0 / length : 0 }
}

private func norm(_ x: ArraySlice<Double>) -> Double {
    let scale = largest(x)
    return scale == 0 ? 0 : scale * x.reduce(0) { $0 + ($1 / scale) * ($1 / scale) }.squareRoot()
}

/// Population standard deviation, as NumPy's.
private func deviation(_ x: [Double]) -> Double {
    let mean = x.reduce(0, +) / Double(x.count)
    return (x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(x.count)).squareRoot()
}

private func ratio(_ numerator: Double, _ denominator: Double) -> Double {
    denominator == 0 ? (numerator == 0 ? 0 : .infinity) : numerator / denominator
}

/// Largest absolute value; NaN when there is one.
private func largest(_ x: some Collection<Double>) -> Double {
    x.reduce(0) { $1.isNaN || abs($1) > $0 ? abs($1) : $0 }
}

private func smallest(_ x: [Double]) -> Double {
    x.contains(where: \.isNaN) ? .nan : x.min() ?? .nan
}
