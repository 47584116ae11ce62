import Foundation
import PEValidateCore
import XCTest

final class DigestTests: XCTestCase {
    /// FIPS 180-4 and NIST's examples; then every length around a block.
    func testSumsAreThoseOfTheStandard() {
        XCTAssertEqual(
            Digest.sha256(Data()),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        )
        XCTAssertEqual(
            Digest.sha256(Data("abc".utf8)),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        )
        XCTAssertEqual(
            Digest.sha256(Data("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".utf8)),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        )
        XCTAssertEqual(
            Digest.sha256(Data(repeating: 0x61, count: 1_000_000)),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
        )
        let lengths = (0...130).map { Digest.sha256(Data((0..<$0).map { UInt8($0) })) }.joined()
        XCTAssertEqual(
            Digest.sha256(Data(lengths.utf8)),
            "287ec38b0ef48cad9a69255fec0a3dd90bd752a394316d26a81b6c9b71e29a55"
        )
    }

    /// As `pe_validate.export.artifact.digest` gives it for the same files.
    func testAPackageIsSummedOverNamesAndContents() throws {
        let folder = try scratchFolder(for: self)
        assertRefused("is missing", try Digest.of(folder.appendingPathComponent("none")))
        for name in ["b", "a/z", "a/b/c", "a.b", "ä", "a b"] {
            let path = folder.appendingPathComponent(name)
            try FileManager.default.createDirectory(
                at: path.deletingLastPathComponent(),
                withIntermediateDirectories: true
            )
            try Data(name.utf8).write(to: path)
        }
        XCTAssertEqual(try Digest.of(folder), "d11ec035e2597e35125d9ab10af5cc558b1bb61b2842b17cb59e90bee2ea11e1")
    }
}
