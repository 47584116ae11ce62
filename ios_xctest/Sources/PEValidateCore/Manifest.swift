import Foundation

/// `manifest.json`: what each model answered, what may be lost, what is bundled, and how long it may take.
public struct Manifest: Decodable, Sendable {
    public let goldens: [String: GoldenEntry]
    public let budgets: [String: [Budget]]?
    public let bundle: ArtifactBundle?

    /// What the manifest says of one model's golden.
    public struct GoldenEntry: Decodable, Sendable {
        public let file: String
        public let sha256: String
        public let weightsSha256: String
        /// Of images.
        public let imageSize: Int?
        public let outputShape: [Int]
        public let inputs: [String]
        /// What the inputs say, when they are texts.
        public let texts: [String]?
        /// Limits on an artifact's loss, by `target/precision`.
        public let tolerances: [String: Limits]
    }

    public struct ArtifactBundle: Decodable, Sendable {
        public let artifacts: [Artifact]
        /// Sha256 of tables of classes, by model.
        public let classes: [String: String]?
        /// Sha256 of the tokenizer.
        public let tokenizer: String?
    }

    /// For JSON that Python wrote: `snake_case`, and strings for numbers that are not finite.
    public static func decoder() -> JSONDecoder {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "Infinity",
            negativeInfinity: "-Infinity",
            nan: "NaN"
        )
        return decoder
    }

    /// - Throws: `PEValidateError` when the file is missing or is not a manifest.
    public init(contentsOf url: URL) throws {
        do {
            self = try Self.decoder().decode(Manifest.self, from: Data(contentsOf: url))
        } catch {
            throw PEValidateError("'\(url.path)' is missing or is not a manifest of goldens: \(error)")
        }
    }
}

/// Bounds on the numbers of a `Comparison`.
public struct Limits: Codable, Equatable, Sendable {
    public let maxRel: Double
    public let snrDb: Double
    public let cosine: Double

    public init(maxRel: Double, snrDb: Double, cosine: Double) {
        (self.maxRel, self.snrDb, self.cosine) = (maxRel, snrDb, cosine)
    }
}

/// Name, shape and NumPy dtype name of one declared input or output.
public struct TensorSpec: Codable, Equatable, Sendable, CustomStringConvertible {
    public let name: String
    public let shape: [Int]
    public let dtype: String

    /// The dtype of the ids of a text.
    public static let integers = "int32"

    public init(name: String, shape: [Int], dtype: String) {
        (self.name, self.shape, self.dtype) = (name, shape, dtype)
    }

    public var count: Int { shape.reduce(1, *) }
    public var description: String { "\(name): \(dtype)\(shape)" }
}

/// One bundled file or package.
public struct Artifact: Decodable, Sendable, CustomStringConvertible {
    /// Such as `PE-Core-S16-384/pte/fp32`.
    public let `case`: String
    public let model: String
    public let target: String
    public let precision: String
    public let file: String
    public let sha256: String
    public let bytes: Int
    public let input: TensorSpec
    public let output: TensorSpec
    public let weightsSha256: String

    public var description: String { `case` }
}
