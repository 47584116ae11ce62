import Foundation

/// What a test run found, for machines.
public struct Report: Codable, Equatable, Sendable {
    public var format = 1
    public var device: Device
    public var records: [Record]

    /// What one test found of one artifact.
    public struct Record: Codable, Equatable, Sendable {
        public enum Outcome: String, Codable, Sendable {
            case pass, fail, inconclusive
            /// Measured, but not to be judged on this machine.
            case notJudged
            /// Not run: this machine has no runtime for it.
            case unavailable
        }

        public var test: String
        public var `case`: String
        public var outcome: Outcome
        public var sentence: String
        public var producer: String?
        public var computeUnits: ComputeUnits?
        public var before: DeviceState?
        public var after: DeviceState?
        public var coldLoadMilliseconds: Double?
        public var budget: Budget?
        public var latency: LatencyStats?
        public var memory: Memory?
        /// By name of the input.
        public var comparisons: [String: Comparison]?

        public init(test: String, case name: String, outcome: Outcome, sentence: String) {
            (self.test, self.case, self.outcome, self.sentence) = (test, name, outcome, sentence)
        }
    }

    /// Bytes.
    public struct Memory: Codable, Equatable, Sendable {
        public var before: Int
        public var loaded: Int
        public var after: Int

        public init(before: Int, loaded: Int, after: Int) {
            (self.before, self.loaded, self.after) = (before, loaded, after)
        }
    }

    public init(device: Device, records: [Record] = []) {
        (self.device, self.records) = (device, records)
    }

    public func json() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "Infinity",
            negativeInfinity: "-Infinity",
            nan: "NaN"
        )
        return try encoder.encode(self)
    }
}
