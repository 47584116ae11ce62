extension ResourceFolder {
    /// Where the app keeps the folder that `pe-validate ios bundle` filled.
    public static let inApp = "PEValidate"

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
        guard let sha256 = manifest.bundle?.classes?[artifact.model] else { return nil }
        return try Classifier(contentsOf: checked("\(artifact.model)/classes.safetensors", sha256: sha256))
    }
}
