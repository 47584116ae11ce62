import Foundation

extension ResourceFolder {
    static let tokenizerName = "tokenizer.json"

    /// The tokenizer that was bundled, or nil.
    ///
    /// - Throws: `PEValidateError` when it is missing, altered or no tokenizer.
    public func tokenizer() throws -> Tokenizer? {
        let path = url.appendingPathComponent(Self.manifestName)
        let listed = try JSONDecoder().decode(ListedTokenizer.self, from: Data(contentsOf: path))
        guard let sha256 = listed.bundle?.tokenizer else { return nil }
        let file = url.appendingPathComponent(Self.tokenizerName)
        guard try Digest.of(file) == sha256 else {
            throw PEValidateError("'\(file.path)' was altered, its sha256 is not the manifest's: bundle it anew.")
        }
        return try Tokenizer(contentsOf: file)
    }
}

/// Sha256 of the tokenizer.
private struct ListedTokenizer: Decodable {
    let bundle: Section?

    struct Section: Decodable {
        let tokenizer: String?
    }
}
