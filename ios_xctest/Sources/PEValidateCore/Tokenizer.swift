import Foundation

/// CLIP's tokenizer: the ids that a text tower takes, of any text, as Python's of this project and Meta's give them.
///
/// The file is `tokenizer.json` of a bundle (`pe-validate ios bundle --tokenizer`); it holds the vocabulary and every table
/// that text is cleaned by, so that the ids do not depend on the version of a system.
public struct Tokenizer: Sendable {
    private let vocabulary: Vocabulary
    private let cleaning: TextCleaning

    /// - Throws: `PEValidateError` when the file is missing, damaged or of another format.
    public init(contentsOf url: URL) throws {
        do {
            let parts = try JSONDecoder().decode(Parts.self, from: Data(contentsOf: url))
            (vocabulary, cleaning) = (parts.vocabulary, parts.cleaning)
        } catch {
            throw PEValidateError(
                "'\(url.path)' is missing or is not a tokenizer, make it by 'pe-validate ios bundle --tokenizer': \(error)"
            )
        }
    }

    /// `context` ids: start, the text's, end, then 0; what is too long is cut before the end.
    public func ids(of text: String, context: Int = 32) -> [Int32] {
        precondition(context > 0, "a context of \(context) has no room for the end")
        let whole = [vocabulary.start] + encoded(text) + [vocabulary.end]
        guard whole.count >= context else { return whole + [Int32](repeating: 0, count: context - whole.count) }
        return whole.prefix(context - 1) + [vocabulary.end]
    }

    /// The ids of a text alone, as many as they are.
    public func encoded(_ text: String) -> [Int32] {
        vocabulary.words(of: cleaning(text.unicodeScalars.map(\.value))).flatMap(vocabulary.ids)
    }

    /// What is left of a text before it is taken apart.
    public func cleaned(_ text: String) -> String {
        String(cleaning(text.unicodeScalars.map(\.value)))
    }
}

/// What the file holds.
private struct Parts: Decodable {
    let vocabulary: Vocabulary
    let cleaning: TextCleaning

    static let knownFormat = 1

    private enum CodingKeys: String, CodingKey {
        case format
    }

    init(from decoder: any Decoder) throws {
        let format = try decoder.container(keyedBy: CodingKeys.self).decode(Int.self, forKey: .format)
        guard format == Self.knownFormat else {
            throw PEValidateError("it is of format \(format), not \(Self.knownFormat)")
        }
        vocabulary = try Vocabulary(from: decoder)
        cleaning = try TextCleaning(from: decoder)
    }
}
