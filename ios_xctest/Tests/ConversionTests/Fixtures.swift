import Foundation
import PEValidateCore
import XCTest

/// What the suite needs besides itself: found in the bundles of app and tests on a phone, beside the sources elsewhere.
enum Fixtures {
    /// What `pe-validate ios bundle` made; `PE_VALIDATE_RESOURCES` names another folder.
    static func resources() throws -> ResourceFolder {
        let named = environment("PE_VALIDATE_RESOURCES").map { URL(fileURLWithPath: $0, isDirectory: true) }
        let app = Bundle.main.resourceURL?.appendingPathComponent("PEValidate")
        let folder = try required(
            "artifacts and goldens",
            in: [named, app, package.appendingPathComponent("Resources")],
            holding: ResourceFolder.manifestName,
            made: "pe-validate ios bundle"
        )
        return try ResourceFolder(folder)
    }

    /// The tokenizer that was bundled; a bundle without one has nothing to hold.
    static func tokenizer(of folder: ResourceFolder) throws -> Tokenizer {
        if let tokenizer = try folder.tokenizer() { return tokenizer }
        throw XCTSkip("'\(folder.url.path)' has no tokenizer: 'pe-validate ios bundle --tokenizer' adds it.")
    }

    /// Examples that Python computed.
    static func vectors() throws -> URL {
        let tests = Bundle(for: Marker.self).resourceURL?.appendingPathComponent("Vectors")
        return try required(
            "examples",
            in: [tests, package.appendingPathComponent("Vectors")],
            holding: "comparison_vectors.json",
            made: "git checkout ios_xctest/Vectors"
        )
    }

    /// A variable of the environment, when it is set to something.
    static func environment(_ name: String) -> String? {
        ProcessInfo.processInfo.environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Missing fixtures fail on a CI and are skipped on a desk.
    static func missing(_ sentence: String) -> any Error {
        environment("CI") == nil ? XCTSkip(sentence) : PEValidateError(sentence)
    }

    private static func required(_ what: String, in folders: [URL?], holding name: String, made: String) throws -> URL {
        let known = folders.compactMap { $0 }
        for folder in known where FileManager.default.fileExists(atPath: folder.appendingPathComponent(name).path) {
            return folder
        }
        throw missing("No \(what) in '\(known.map(\.path).joined(separator: "' or '"))': run '\(made)' first.")
    }

    /// Where the sources were when this was built.
    private static let package = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
}

private final class Marker {}
