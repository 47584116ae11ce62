import Foundation

extension ResourceFolder {
    /// Where the app keeps the folder that `pe-validate ios bundle` filled.
    public static let inApp = "PEValidate"

    static let classesName = "classes.safetensors"

    /// Artifacts that give one feature for an image, which can be compared with classes.
    public var classifying: [Artifact] {
        artifacts.filter { $0.output.shape.count == 2 && $0.input.shape.count == 4 }
    }

    /// Artifacts that give one feature for the ids of a text.
    public var embeddingTexts: [Artifact] {
        artifacts.filter { $0.output.shape.count == 2 && $0.input.dtype == TensorSpec.integers }
    }

    /// The table of classes that was bundled for an artifact's model, or nil.
    ///
    /// - Throws: `PEValidateError` when it is missing, altered or not such a table.
    public func classifier(for artifact: Artifact) throws -> Classifier? {
        let path = url.appendingPathComponent(Self.manifestName)
        let listed = try JSONDecoder().decode(ListedTables.self, from: Data(contentsOf: path))
        guard let sha256 = listed.bundle?.classes?[artifact.model] else { return nil }
        let table = url.appendingPathComponent(artifact.model).appendingPathComponent(Self.classesName)
        guard try Digest.of(table) == sha256 else {
            throw PEValidateError("'\(table.path)' was altered, its sha256 is not the manifest's: bundle it anew.")
        }
        return try Classifier(contentsOf: table)
    }
}

/// Sha256 of tables, by model.
private struct ListedTables: Decodable {
    let bundle: Section?

    struct Section: Decodable {
        let classes: [String: String]?
    }
}
