import Foundation
import PEValidateCore
import XCTest

/// The tokenizer with a vocabulary of two merges, and tables that hold what these tests need.
final class TokenizerTableTests: XCTestCase {
    private var folder = URL(fileURLWithPath: "/")
    private var file: URL { folder.appendingPathComponent("tokenizer.json") }

    /// "ca" and "cat" at the end of a word are merged; letters are those of ASCII.
    private static let tables = """
        {"format": 1, "start": 514, "end": 515, "first_merged": 512, "merges": [99, 97, 512, 372],
         "bytes": \(Array(0..<256)), "last_bytes": \(Array(256..<512)),
         "words": ["'s"], "letters": [97, 122, 931, 931, 963, 963, 44032, 55203], "numbers": [48, 57],
         "spaces": [9, 10, 32, 32], "blanks": [9, 13, 32, 32],
         "cases": {"lower": \((65...90).map { [$0, $0 + 32] } + [[304, 105, 775], [931, 963]]),
                   "cased": [65, 90, 97, 122], "ignorable": [39, 39, 173, 173]},
         "normal_form": {"classes": [[769, 230], [803, 220]], "decompositions": [[225, 97, 769]],
                         "compositions": [[97, 769, 225]]},
         "mended": {"replaced": [[13, 10], [8217, 39], [64257, 102, 105]], "removed": [0, 8, 27, 27],
                    "decimals": [48, 57]},
         "entities": {"named": {"amp": "&", "amp;": "&", "lt;": "<", "not": "¬"}, "capitals": {"EACUTE;": "É"},
                      "references": [[0, 65533], [11], [150, 8211]]},
         "mojibake": {"signs": [[[195, 195], [128, 191]], [[], [194, 194]]],
                      "sequences": [[[194, 223], [128, 191]]], "guards": [128, 191],
                      "altered": [[[195, 195], [32, 32]]], "lost": [[[26, 26]]], "controls": [[147, 8220]],
                      "encodings": [{"characters": \(Array(0..<256)), "restores_spaces": true,
                                     "knows_losses": false}]}}
        """

    override func setUpWithError() throws {
        folder = try scratchFolder(for: self)
    }

    private func tokenizer(_ tables: String = tables) throws -> Tokenizer {
        try Data(tables.utf8).write(to: file)
        return try Tokenizer(contentsOf: file)
    }

    func testPairsAreMergedFromTheEarliest() throws {
        let tokenizer = try tokenizer()
        for (text, ids) in [
            ("", []), ("cat", [513]), ("CAT cat", [513, 513]), ("cats", [512, 116, 371]), ("tca", [116, 99, 353]),
            ("cat's", [513, 39, 371]), ("c1a", [355, 305, 353]), ("!?c", [33, 319, 355]), ("é", [195, 425]),
        ] as [(String, [Int32])] {
            XCTAssertEqual(tokenizer.encoded(text), ids, text)
        }
    }

    func testTheEndIsLastWhateverIsCut() throws {
        let tokenizer = try tokenizer()
        XCTAssertEqual(tokenizer.ids(of: "cat", context: 5), [514, 513, 515, 0, 0])
        XCTAssertEqual(tokenizer.ids(of: "cat", context: 3), [514, 513, 515])
        XCTAssertEqual(tokenizer.ids(of: "cat cat", context: 3), [514, 513, 515])
        XCTAssertEqual(tokenizer.ids(of: "cat", context: 1), [515])
        XCTAssertEqual(tokenizer.ids(of: "").count, 32)
    }

    func testTextIsCleaned() throws {
        let tokenizer = try tokenizer()
        for (text, cleaned) in [
            (" A\t\r\nb ", "a b"), ("It’s ﬁne", "it's fine"), ("\u{1B}[1;31mred\u{1B}[0m \u{1B}[", "red ["),
            ("a\u{301}\u{323}", "\u{E1}\u{323}"), ("a\u{301}", "\u{E1}"), ("\u{1112}\u{1161}\u{11AB}", "\u{D55C}"),
            ("İ", "i\u{307}"), ("AΣ", "aς"), ("AΣ'", "aς'"), ("AΣ'A", "aσ'a"), ("Σ", "σ"),
            ("a &amp; b", "a & b"), ("&amp;amp;amp;amp;", "&"), ("<i>&amp;amp;amp;</i>", "<i>&amp;</i>"),
            ("&EACUTE;&#65;&#x62;&#X63", "Éabc"), ("&#0;&#150;&#11;x", "\u{FFFD}\u{2013}x"), ("&notit", "¬it"),
            ("&#xD800;&#9999999999", "\u{FFFD}\u{FFFD}"), ("&#;&#x;&;& &b", "&#;&#x;&;& &b"),
            ("&am\u{37E}", "&am\u{37E}"),
            ("sch\u{C3}\u{B6}n", "schön"), ("\u{C3} la", "\u{C3} la"), ("\u{C2}\u{93}x\u{C3}\u{B6}", "\u{93}xö"),
            ("\u{C3}\u{B6} 日", "ö 日"), ("x\u{C3}\u{93}日\u{93}", "xÓ日\u{93}"),
        ] {
            let found = tokenizer.cleaned(text)
            // As strings, what is canonically equivalent would be equal.
            XCTAssertEqual(Array(found.unicodeScalars), Array(cleaned.unicodeScalars), "of \(text.debugDescription)")
        }
    }

    func testWhatIsMissingOrDamagedIsRefusedInASentence() throws {
        assertRefused("tokenizer.json' is missing or is not a tokenizer, make it by", try Tokenizer(contentsOf: file))
        let tables = Self.tables
        for (before, after) in [
            (tables, ""), (tables, "{}"), (tables, "[1]"), (tables, String(tables.dropLast(9))),
            ("\"format\": 1", "\"format\": 2"), ("99, 97,", "99, 512,"), ("99, 97,", "99, -1,"), ("512, 372]", "512]"),
            ("[0, 8, 27", "[0, 28, 27"), ("[13, 10]", "[]"), ("[97, 769, 225]", "[97, 769]"), ("\"'s\"", "\"\""),
            ("\"bytes\": [0, ", "\"bytes\": ["), ("\"characters\": [0, ", "\"characters\": ["), ("514", "600"),
        ] {
            let damaged = tables.replacingOccurrences(of: before, with: after)
            XCTAssertNotEqual(damaged, tables)
            assertRefused("is not a tokenizer", try tokenizer(damaged))
        }
        let newer = tables.replacingOccurrences(of: "\"format\": 1", with: "\"format\": 2")
        assertRefused("it is of format 2, not 1", try tokenizer(newer))
    }

    func testABundlesTokenizerIsCheckedAgainstItsManifest() throws {
        func manifest(_ entry: String) throws -> ResourceFolder {
            let content = "{\"goldens\": {}, \"bundle\": {\"artifacts\": []\(entry)}}"
            try Data(content.utf8).write(to: folder.appendingPathComponent(ResourceFolder.manifestName))
            return try ResourceFolder(folder)
        }
        XCTAssertNil(try manifest("").tokenizer())
        let sum = Digest.sha256(Data(Self.tables.utf8))
        assertRefused("tokenizer.json' is missing", try manifest(", \"tokenizer\": \"\(sum)\"").tokenizer())
        _ = try tokenizer()
        XCTAssertEqual(try manifest(", \"tokenizer\": \"\(sum)\"").tokenizer()?.encoded("cat"), [513])
        _ = try tokenizer(Self.tables.replacingOccurrences(of: "99, 97,", with: "97, 99,"))
        assertRefused("tokenizer.json' was altered", try ResourceFolder(folder).tokenizer())
    }
}
