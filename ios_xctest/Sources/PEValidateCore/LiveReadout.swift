import Foundation

/// What is written over the live picture: the latency of the last seconds beside its budget, and what slows it down.
public struct LiveReadout: Sendable {
    /// Milliseconds and what a model that keeps them is good for, nil where the manifest has none for this device.
    public let budget: Budget?
    private var recent: [Double] = []
    private var last: LiveClassifier.Reading?

    /// Inferences that percentiles are taken of: four seconds of a camera.
    public static let window = 120

    public init(budget: Budget?) {
        self.budget = budget
    }

    public mutating func add(_ reading: LiveClassifier.Reading) {
        last = reading
        recent.append(reading.inference)
        recent.removeFirst(max(0, recent.count - Self.window))
    }

    /// Whether the 95th percentile of the last seconds keeps the budget; nil before the first frame, or without one.
    public var keepsBudget: Bool? {
        guard let budget, !recent.isEmpty else { return nil }
        return percentile(95, of: recent.sorted()) <= budget.milliseconds
    }

    /// One thing in each line.
    public func lines(counts: LiveClassifier.Counts, thermalState: ThermalState, memory: Int?) -> [String] {
        guard let last else { return ["waiting for the first frame"] }
        let sorted = recent.sorted()
        let allowed = budget.map { " of \(milliseconds($0.milliseconds))" + ($0.label.map { " (\($0))" } ?? "") }
        return [
            "inference \(milliseconds(percentile(50, of: sorted))), 95 % in "
                + "\(milliseconds(percentile(95, of: sorted)))\(allowed ?? "")",
            "preprocessing \(milliseconds(last.preprocessing))",
            "\(counts.taken) frames seen, \(counts.late) dropped as late, \(counts.early) as early",
            "thermal state \(thermalState)" + (memory.map { ", memory \($0 / 1_000_000) MB" } ?? ""),
        ]
    }
}

private func milliseconds(_ value: Double) -> String { String(format: "%.1f ms", value) }
