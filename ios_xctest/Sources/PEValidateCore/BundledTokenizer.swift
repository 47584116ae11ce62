extension ResourceFolder {
    /// The tokenizer that was bundled, or nil.
    ///
    /// - Throws: `PEValidateError` when it is missing, altered or no tokenizer.
    public func tokenizer() throws -> Tokenizer? {
        guard let sha256 = manifest.bundle?.tokenizer else { return nil }
        return try Tokenizer(contentsOf: checked("tokenizer.json", sha256: sha256))
    }
}
