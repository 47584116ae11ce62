import Foundation

/// One model's stored inputs and what the float32 model answered to each.
public struct Golden: Sendable {
    public let model: String
    /// Of one answer, `[1, …, dim]`.
    public let outputShape: [Int]
    public let inputs: [Input]

    public struct Input: Sendable {
        public let name: String
        public let content: Content
        /// Of the float32 model, in `outputShape`.
        public let features: [Float]

        /// What a runtime is given.
        public var values: TensorValues {
            switch content {
            case .image(let rgb, _): .floats(ImagePreprocessor.normalize(rgb: rgb))
            case .tokens(let ids, _): .integers(ids)
            }
        }
    }

    public enum Content: Equatable, Sendable {
        /// RGB, `[size, size, 3]`.
        case image(rgb: [UInt8], size: Int)
        /// Ids, or other integers; with the text that they stand for, if they do.
        case tokens([Int32], text: String?)
    }

    /// - Throws: `PEValidateError` when the tensors are not those that `entry` describes.
    init(model: String, entry: Manifest.GoldenEntry, file: TensorFile) throws {
        let count = entry.inputs.count
        guard let contents = try Self.contents(entry, file),
            let features = rows(of: try file.floats("features"), count),
            features[0].count == entry.outputShape.reduce(1, *)
        else {
            throw PEValidateError("the golden of \(model) does not hold the \(count) inputs of its manifest")
        }
        self.model = model
        self.outputShape = entry.outputShape
        self.inputs = (0..<count).map { Input(name: entry.inputs[$0], content: contents[$0], features: features[$0]) }
    }

    /// What was stored of each input; nil when it is not what `entry` describes.
    private static func contents(_ entry: Manifest.GoldenEntry, _ file: TensorFile) throws -> [Content]? {
        let count = entry.inputs.count
        if let size = entry.imageSize {
            let images = rows(of: try file.bytes("images"), count)
            guard let images, images[0].count == 3 * size * size else { return nil }
            return images.map { .image(rgb: $0, size: size) }
        }
        let texts = entry.texts ?? [String?](repeating: nil, count: count)
        guard let ids = rows(of: try file.integers("tokens"), count), texts.count == count else { return nil }
        return zip(ids, texts).map { .tokens($0, text: $1) }
    }
}

/// Values in so many parts of the same size; nil when there are none such.
private func rows<Value>(of values: [Value], _ count: Int) -> [[Value]]? {
    guard count > 0, !values.isEmpty, values.count.isMultiple(of: count) else { return nil }
    let width = values.count / count
    return (0..<count).map { Array(values[$0 * width..<($0 + 1) * width]) }
}

/// An artifact and what it is held to.
public struct GoldenCase: Sendable {
    public let artifact: Artifact
    public let golden: Golden
    public let limits: Limits

    /// Hold one answer to the golden: what is wrong with it, or nil; the numbers either way.
    public func judge(_ answer: [Float], of input: Golden.Input) throws -> (numbers: Comparison, breach: String?) {
        let numbers = try Comparison(reference: input.features, actual: answer, shape: golden.outputShape)
        let breach = numbers.breach(of: limits).map {
            "\(artifact) fails loss on '\(input.name)': against golden \(golden.model) it has \($0)."
        }
        return (numbers, breach)
    }
}

/// The folder that `pe-validate ios bundle` fills.
public struct ResourceFolder: Sendable {
    public let url: URL
    public let manifest: Manifest

    public static let manifestName = "manifest.json"

    /// - Throws: `PEValidateError` when there is no manifest, or it is none.
    public init(_ url: URL) throws {
        self.url = url
        self.manifest = try Manifest(contentsOf: url.appendingPathComponent(Self.manifestName))
    }

    public var artifacts: [Artifact] { manifest.bundle?.artifacts ?? [] }

    /// What an artifact is held to, its golden checked against the manifest.
    ///
    /// - Throws: `PEValidateError` when the golden is missing, altered or of other weights.
    public func goldenCase(of artifact: Artifact) throws -> GoldenCase {
        guard let entry = manifest.goldens[artifact.model] else {
            throw PEValidateError("The manifest has no golden of \(artifact.model).")
        }
        guard let limits = entry.tolerances["\(artifact.target)/\(artifact.precision)"] else {
            throw PEValidateError("The golden of \(artifact.model) has no limits for \(artifact).")
        }
        guard entry.weightsSha256 == artifact.weightsSha256 else {
            throw PEValidateError("\(artifact) was exported from other weights than its golden: bundle it anew.")
        }
        let path = try checked(entry.file, sha256: entry.sha256)
        let golden = try Golden(model: artifact.model, entry: entry, file: TensorFile(contentsOf: path))
        return GoldenCase(artifact: artifact, golden: golden, limits: limits)
    }

    /// Where an artifact is, checked against the manifest.
    ///
    /// - Throws: `PEValidateError` when it is missing or altered.
    public func path(of artifact: Artifact) throws -> URL {
        try checked(artifact.file, sha256: artifact.sha256)
    }

    /// Where a file of this folder is, checked against what the manifest says of it.
    func checked(_ name: String, sha256: String) throws -> URL {
        let path = url.appendingPathComponent(name).resolvingSymlinksInPath()
        guard path.path.hasPrefix(url.resolvingSymlinksInPath().path + "/") else {
            throw PEValidateError("The manifest in '\(url.path)' points outside it: '\(name)'.")
        }
        guard try Digest.of(path) == sha256 else {
            throw PEValidateError("'\(path.path)' was altered, its sha256 is not the manifest's: bundle it anew.")
        }
        return path
    }
}
