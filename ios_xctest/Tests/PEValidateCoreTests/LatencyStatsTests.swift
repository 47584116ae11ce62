import PEValidateCore
import XCTest

final class LatencyStatsTests: XCTestCase {
    func testPercentilesAreThoseOfNumPy() throws {
        let stats = try LatencyStats(milliseconds: (1...101).map(Double.init).shuffled())
        XCTAssertEqual([stats.p50, stats.p90, stats.p95, stats.p99], [51, 91, 96, 100])
        XCTAssertEqual(stats.trimmedMean, 51)
        XCTAssertEqual(stats.count, 101)
        let two = try LatencyStats(milliseconds: [3, 1])
        XCTAssertEqual(two.p50, 2)
        XCTAssertEqual(two.p95, 2.9, accuracy: 1e-12)
        assertRefused("nothing was timed", try LatencyStats(milliseconds: []))
    }

    func testOneHiccupMovesTheTrimmedMeanLittle() throws {
        let stats = try LatencyStats(milliseconds: Array(repeating: 10, count: 99) + [1000])
        XCTAssertEqual(stats.trimmedMean, 10)
    }

    func testIntervalsHoldTheirPercentileAndAreTheSameEachTime() throws {
        var generator = FixedGenerator(state: 2)
        let taken = (0..<100).map { _ in Double.random(in: 20...30, using: &generator) }
        let stats = try LatencyStats(milliseconds: taken)
        XCTAssertEqual(stats, try LatencyStats(milliseconds: taken.reversed()))
        XCTAssertTrue(stats.p50Interval.low < stats.p50 && stats.p50 < stats.p50Interval.high)
        XCTAssertTrue(stats.p95Interval.low <= stats.p95 && stats.p95 <= stats.p95Interval.high)
        XCTAssertLessThan(stats.p50Interval.high - stats.p50Interval.low, 4)
    }

    func testABudgetIsKeptBrokenOrNotDecided() throws {
        var generator = FixedGenerator(state: 3)
        let taken = (0..<100).map { _ in Double.random(in: 20...30, using: &generator) }
        let stats = try LatencyStats(milliseconds: taken)
        XCTAssertEqual(stats.outcome(budget: 33.3), .pass)
        XCTAssertEqual(stats.outcome(budget: stats.p95), .inconclusive)
        XCTAssertEqual(stats.outcome(budget: 22), .fail)
        XCTAssertEqual(stats.outcome(budget: 27), .fail, "the median keeps it and the 95th percentile does not")
    }

    func testWarmUpIsNotTimedAndTimeIsThatOfTheClock() {
        var now = ContinuousClock.now
        let clock = { now }
        var calls = 0
        let taken = timings(warmUp: 3, rounds: 4, now: clock) {
            calls += 1
            now += .milliseconds(calls <= 3 ? 1000 : 5)
        }
        XCTAssertEqual(taken, [5, 5, 5, 5])
        XCTAssertEqual(calls, 7)
    }

    func testTimingsGoOnForAsLongAsAsked() {
        var now = ContinuousClock.now
        let clock = { now }
        let taken = timings(warmUp: 0, rounds: 1, seconds: 1, now: clock) { now += .milliseconds(30) }
        XCTAssertEqual(taken.count, 34)
    }
}
