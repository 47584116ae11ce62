import Foundation
import PEValidateCore
import XCTest

final class ManifestTests: XCTestCase {
    private var folder = URL(fileURLWithPath: "/")

    override func setUpWithError() throws {
        folder = try scratchFolder(for: self)
        try FileManager.default.createDirectory(
            at: folder.appendingPathComponent("Tiny"),
            withIntermediateDirectories: true
        )
        let header = """
            {"images":{"dtype":"U8","shape":[2,1,1,3],"data_offsets":[0,6]},\
            "features":{"dtype":"F32","shape":[2,2],"data_offsets":[6,22]}}
            """
        try safetensors(header, body: [0, 127, 255, 1, 2, 3] + littleEndian([1, 2, 3, 4]))
            .write(to: folder.appendingPathComponent("Tiny/golden.safetensors"))
        try Data("a model".utf8).write(to: folder.appendingPathComponent("Tiny-fp32.onnx"))
        try write()
    }

    private func write(
        golden: String = "Tiny/golden.safetensors",
        weights: String = "w",
        inputs: String = #"["one", "two"]"#,
        kind: String = #""image_size": 1"#
    ) throws {
        let sum = try Digest.of(folder.appendingPathComponent("Tiny/golden.safetensors"))
        let artifact = try Digest.of(folder.appendingPathComponent("Tiny-fp32.onnx"))
        let manifest = """
            {"goldens": {"Tiny": {"file": "\(golden)", "sha256": "\(sum)", "weights": "seed:7", "weights_sha256": "w",
              \(kind), "output_shape": [1, 2], "inputs": \(inputs), "tools": {"torch": "2"},
              "tolerances": {"onnx/fp32": {"max_rel": 0.1, "snr_db": "Infinity", "cosine": 0.5}}}},
             "sealed": {},
             "budgets": {"Tiny": [
              {"target": "onnx", "precision": "fp32", "device": "iPhone", "milliseconds": 33.3, "label": "real time"},
              {"target": "onnx", "precision": "fp32", "device": "iPhone15,", "milliseconds": 20, "label": "real time"},
              {"target": "onnx", "precision": "fp32", "device": "iPhone15,2", "milliseconds": 10, "label": "real time"},
              {"target": "pte", "precision": "fp32", "device": "iPhone15,2", "milliseconds": 1, "label": "real time"}]},
             "bundle": {"tool_versions": {}, "artifacts": [{"case": "Tiny/onnx/fp32", "model": "Tiny", "target": "onnx",
              "precision": "fp32", "file": "Tiny-fp32.onnx", "sha256": "\(artifact)", "bytes": 7, "weights": "seed:7",
              "input": {"name": "image", "shape": [1, 3, 1, 1], "dtype": "float32"},
              "output": {"name": "features", "shape": [1, 2], "dtype": "float32"}, "weights_sha256": "\(weights)"}]}}
            """
        try Data(manifest.utf8).write(to: folder.appendingPathComponent(ResourceFolder.manifestName))
    }

    func testAGoldenIsWhatTheManifestAndItsFileSay() throws {
        let resources = try ResourceFolder(folder)
        let artifact = try XCTUnwrap(resources.artifacts.first)
        let golden = try resources.goldenCase(of: artifact)
        XCTAssertEqual(golden.limits, Limits(maxRel: 0.1, snrDb: .infinity, cosine: 0.5))
        XCTAssertEqual(golden.golden.inputs.map(\.name), ["one", "two"])
        XCTAssertEqual(golden.golden.inputs[1].content, .image(rgb: [1, 2, 3], size: 1))
        XCTAssertEqual(golden.golden.inputs[1].features, [3, 4])
        XCTAssertEqual(golden.golden.inputs[0].values, .floats([-1, (Float(127) / 255 - 0.5) / 0.5, 1]))
        XCTAssertEqual(artifact.input.count, 3)
        XCTAssertEqual(
            try resources.path(of: artifact).lastPathComponent,
            folder.appendingPathComponent("Tiny-fp32.onnx").lastPathComponent
        )
    }

    func testAGoldenOfTokensHasTheirIdsAndTexts() throws {
        try writeTokens()
        let texts = #""texts": ["a cat", "a dog"]"#
        for (kind, text) in [(texts, "a dog"), (#""image_size": null"#, nil)] {
            try write(kind: kind)
            let resources = try ResourceFolder(folder)
            let golden = try resources.goldenCase(of: resources.artifacts[0]).golden
            XCTAssertEqual(golden.inputs[1].content, .tokens([4, -5, 6], text: text))
            XCTAssertEqual(golden.inputs[1].values, .integers([4, -5, 6]))
            XCTAssertEqual(golden.inputs[1].features, [3, 4])
        }
        for (words, inputs, kind) in [
            ("does not hold the 3 inputs", #"["a", "b", "c"]"#, texts),
            ("does not hold the 1 inputs", #"["a"]"#, texts),
            ("does not hold the 0 inputs", "[]", #""texts": []"#),
            ("no tensor 'images'", #"["one", "two"]"#, #""image_size": 1"#),
        ] {
            try write(inputs: inputs, kind: kind)
            let resources = try ResourceFolder(folder)
            assertRefused(words, try resources.goldenCase(of: resources.artifacts[0]))
        }
    }

    private func writeTokens() throws {
        let header = """
            {"tokens":{"dtype":"I32","shape":[2,3],"data_offsets":[0,24]},\
            "features":{"dtype":"F32","shape":[2,2],"data_offsets":[24,40]}}
            """
        let ids = [1, 2, 3, 4, -5, 6].flatMap { (id: Int32) in withUnsafeBytes(of: id.littleEndian) { Array($0) } }
        try safetensors(header, body: ids + littleEndian([1, 2, 3, 4]))
            .write(to: folder.appendingPathComponent("Tiny/golden.safetensors"))
    }

    func testAnAnswerIsHeldToTheLimitsOfTheManifest() throws {
        let resources = try ResourceFolder(folder)
        let golden = try resources.goldenCase(of: resources.artifacts[0])
        let input = golden.golden.inputs[1]
        XCTAssertNil(try golden.judge([3, 4], of: input).breach)
        let breach = try XCTUnwrap(golden.judge([3, -4], of: input).breach)
        XCTAssertTrue(
            breach.hasPrefix("Tiny/onnx/fp32 fails loss on 'two': against golden Tiny it has max |Δ| 16 σ"),
            breach
        )
        XCTAssertTrue(try XCTUnwrap(golden.judge([3, .nan], of: input).breach).contains("not finite"))
        assertRefused("cannot be compared", try golden.judge([3], of: input))
    }

    func testTheBudgetIsOfTheDeviceThatIsNamedMostExactly() throws {
        let resources = try ResourceFolder(folder)
        for (device, milliseconds) in [
            ("iPhone15,2", 10.0), ("iPhone15,3", 20), ("iPhone15,20", 20), ("iPhone9,1", 33.3),
        ] {
            let budget = resources.manifest.budget(for: resources.artifacts[0], on: device)
            XCTAssertEqual(budget?.milliseconds, milliseconds, device)
        }
        XCTAssertNil(resources.manifest.budget(for: resources.artifacts[0], on: "iPad13,1"))
    }

    func testWhatWasAlteredIsRefused() throws {
        for name in ["Tiny/golden.safetensors", "Tiny-fp32.onnx"] {
            try write()
            let path = folder.appendingPathComponent(name)
            let before = try Data(contentsOf: path)
            let resources = try ResourceFolder(folder)
            try (before + [0]).write(to: path)
            assertRefused(
                "\(name)' was altered",
                try (resources.goldenCase(of: resources.artifacts[0]), resources.path(of: resources.artifacts[0]))
            )
            try before.write(to: path)
        }
    }

    func testWhatDoesNotBelongTogetherIsRefused() throws {
        for (words, write) in [
            ("points outside it", { try self.write(golden: "../golden.safetensors") }),
            ("is missing", { try self.write(golden: "Tiny/none.safetensors") }),
            ("other weights", { try self.write(weights: "v") }),
            ("does not hold the 3 inputs", { try self.write(inputs: #"["one", "two", "three"]"#) }),
            ("does not hold the 0 inputs", { try self.write(inputs: "[]") }),
        ] {
            try write()
            let resources = try ResourceFolder(folder)
            assertRefused(words, try resources.goldenCase(of: resources.artifacts[0]))
        }
        try Data("{}".utf8).write(to: folder.appendingPathComponent(ResourceFolder.manifestName))
        assertRefused("is not a manifest", try ResourceFolder(folder))
    }
}
