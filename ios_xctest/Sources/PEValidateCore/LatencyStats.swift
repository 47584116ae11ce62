/// What many timings of one thing say.
public struct LatencyStats: Codable, Equatable, Sendable {
    public let count: Int
    public let p50: Double
    public let p90: Double
    public let p95: Double
    public let p99: Double
    /// Mean of what is left when the fastest and the slowest tenth are dropped.
    public let trimmedMean: Double
    /// 95 % percentile bootstrap intervals (Efron 1979), with a fixed seed.
    public let p50Interval: Interval
    public let p95Interval: Interval

    public struct Interval: Codable, Equatable, Sendable {
        public let low: Double
        public let high: Double
    }

    public enum Outcome: String, Codable, Sendable {
        case pass, fail, inconclusive
    }

    static let resamples = 1000

    /// - Parameter milliseconds: Of each call after warm-up.
    /// - Throws: `PEValidateError` when there are none.
    public init(milliseconds: [Double]) throws {
        guard !milliseconds.isEmpty else { throw PEValidateError("nothing was timed") }
        let sorted = milliseconds.sorted()
        count = sorted.count
        p50 = percentile(50, of: sorted)
        p90 = percentile(90, of: sorted)
        p95 = percentile(95, of: sorted)
        p99 = percentile(99, of: sorted)
        let kept = sorted.dropFirst(sorted.count / 10).dropLast(sorted.count / 10)
        trimmedMean = kept.reduce(0, +) / Double(kept.count)
        var generator = SplitMix64(state: 0)
        let drawn = (0..<Self.resamples).map { _ in
            sorted.indices.map { _ in sorted[Int.random(in: sorted.indices, using: &generator)] }.sorted()
        }
        p50Interval = Self.interval(drawn.map { percentile(50, of: $0) })
        p95Interval = Self.interval(drawn.map { percentile(95, of: $0) })
    }

    /// Whether the median and the 95th percentile keep a budget; inconclusive while an interval holds the limit.
    public func outcome(budget milliseconds: Double) -> Outcome {
        let intervals = [p50Interval, p95Interval]
        if intervals.contains(where: { $0.low > milliseconds }) { return .fail }
        return intervals.allSatisfy { $0.high <= milliseconds } ? .pass : .inconclusive
    }

    private static func interval(_ values: [Double]) -> Interval {
        let sorted = values.sorted()
        return Interval(low: percentile(2.5, of: sorted), high: percentile(97.5, of: sorted))
    }
}

/// Linear between neighbours, as NumPy's.
func percentile(_ percent: Double, of sorted: [Double]) -> Double {
    let position = percent / 100 * Double(sorted.count - 1)
    let below = Int(position)
    let above = min(below + 1, sorted.count - 1)
    return sorted[below] + (position - Double(below)) * (sorted[above] - sorted[below])
}

/// Time `body` again and again.
///
/// - Parameters:
///   - warmUp: Calls that are made first and not counted.
///   - rounds: The least number of timings.
///   - seconds: How long to go on at least.
///   - now: A clock that never goes back.
/// - Returns: Milliseconds of each call.
public func timings(
    warmUp: Int,
    rounds: Int,
    seconds: Double = 0,
    now: () -> ContinuousClock.Instant = { ContinuousClock.now },
    _ body: () throws -> Void
) rethrows -> [Double] {
    for _ in 0..<warmUp { try body() }
    var taken: [Double] = []
    let begin = now()
    repeat {
        let start = now()
        try body()
        taken.append(milliseconds(now() - start))
    } while taken.count < rounds || milliseconds(now() - begin) < 1000 * seconds
    return taken
}

/// How long `body` took, and what it gave.
public func timed<Result>(_ body: () throws -> Result) rethrows -> (milliseconds: Double, result: Result) {
    let start = ContinuousClock.now
    let result = try body()
    return (milliseconds(ContinuousClock.now - start), result)
}

private func milliseconds(_ duration: Duration) -> Double { duration / .milliseconds(1) }

/// Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
