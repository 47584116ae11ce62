import Foundation
import XCTest

@testable import PEValidateCore

/// A model that answers when it is told to.
private final class PatientRuntime: ModelRuntime, @unchecked Sendable {
    let producer = "a test"
    let input: TensorSpec
    let output = TensorSpec(name: "features", shape: [1, 2], dtype: "float32")
    let mayAnswer = DispatchSemaphore(value: 0)
    private let lock = NSLock()
    private var seen: [[Float]] = []
    private let answer: @Sendable () throws -> [Float]

    init(input: [Int] = [1, 3, 2, 2], answer: @escaping @Sendable () throws -> [Float] = { [0, 1] }) {
        self.input = TensorSpec(name: "image", shape: input, dtype: "float32")
        self.answer = answer
    }

    var images: [[Float]] { lock.withLock { seen } }

    func run(_ values: TensorValues) throws -> [Float] {
        guard case .floats(let image) = values else { throw PEValidateError("no image was given") }
        lock.withLock { seen.append(image) }
        mayAnswer.wait()
        return try answer()
    }
}

/// Two by two pixels, rows padded by four bytes.
private struct SmallFrame: Frame {
    let width = 2
    let height = 2
    var format = ImagePreprocessor.PixelFormat.rgba
    var bytes: [UInt8] = (0..<24).map { 10 * $0 }

    func withBytes<Result>(_ body: (UnsafeRawBufferPointer, Int) throws -> Result) throws -> Result {
        try bytes.withUnsafeBytes { try body($0, 12) }
    }
}

/// What was delivered, from whichever thread.
private final class Inbox: @unchecked Sendable {
    private let lock = NSLock()
    private var results: [Result<LiveClassifier.Reading, any Error>] = []
    private let arrived = DispatchSemaphore(value: 0)

    func deliver(_ result: Result<LiveClassifier.Reading, any Error>) {
        lock.withLock { results.append(result) }
        arrived.signal()
    }

    func next() throws -> LiveClassifier.Reading {
        guard arrived.wait(timeout: .now() + 10) == .success else { throw PEValidateError("nothing was delivered") }
        return try lock.withLock { results.removeFirst() }.get()
    }
}

/// A table of classes, written as safetensors.
private func table(labels: [String], embeddings: [[Float]]) throws -> Data {
    let values = embeddings.flatMap { $0 }
    let metadata = String(decoding: try JSONEncoder().encode(labels), as: UTF8.self)
    let header: [String: Any] = [
        "__metadata__": ["labels": metadata],
        "embeddings": [
            "dtype": "F32", "shape": [embeddings.count, embeddings[0].count], "data_offsets": [0, 4 * values.count],
        ],
    ]
    let json = try JSONSerialization.data(withJSONObject: header)
    var size = UInt64(json.count).littleEndian
    return withUnsafeBytes(of: &size) { Data($0) } + json + values.withUnsafeBytes { Data($0) }
}

final class LiveClassifierTests: XCTestCase {
    private var folder = URL(fileURLWithPath: "/")

    override func setUpWithError() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    override func tearDownWithError() throws {
        try FileManager.default.removeItem(at: folder)
    }

    private func classifier(_ embeddings: [[Float]] = [[1, 0], [0, 2], [1, 1], [-1, 0]]) throws -> Classifier {
        let path = folder.appendingPathComponent("classes.safetensors")
        let labels = ["east", "north", "between", "west"]
        try table(labels: labels, embeddings: embeddings).write(to: path)
        return try Classifier(contentsOf: path)
    }

    func testFramesThatComeDuringAnInferenceAreDroppedAndNeverQueued() throws {
        let runtime = PatientRuntime()
        let inbox = Inbox()
        let live = try LiveClassifier(runtime: runtime, classifier: nil)
        // The runtime waits, so that this returns at all shows that it works elsewhere.
        XCTAssertTrue(live.offer(SmallFrame(), at: 0, thermalState: .nominal, deliver: inbox.deliver))
        for second in 1...5 {
            XCTAssertFalse(
                live.offer(SmallFrame(), at: Double(second), thermalState: .nominal, deliver: inbox.deliver)
            )
        }
        runtime.mayAnswer.signal()
        _ = try inbox.next()
        XCTAssertEqual(live.counts, LiveClassifier.Counts(taken: 1, late: 5, early: 0))
        XCTAssertEqual(runtime.images.count, 1, "a frame was kept")
        XCTAssertTrue(live.offer(SmallFrame(), at: 6, thermalState: .nominal, deliver: inbox.deliver))
        runtime.mayAnswer.signal()
        _ = try inbox.next()
        XCTAssertEqual(runtime.images.count, 2)
    }

    func testAHotDeviceSeesFewerFrames() throws {
        for (heat, taken) in [(ThermalState.nominal, 60...60), (.serious, 30...31), (.critical, 10...11)] {
            let runtime = PatientRuntime()
            let inbox = Inbox()
            let live = try LiveClassifier(runtime: runtime, classifier: nil)
            for frame in 0..<60 {
                let time = Double(frame) / 30
                guard live.offer(SmallFrame(), at: time, thermalState: heat, deliver: inbox.deliver) else { continue }
                runtime.mayAnswer.signal()
                _ = try inbox.next()
            }
            XCTAssertTrue(taken.contains(live.counts.taken), "\(live.counts) when \(heat)")
            XCTAssertEqual(live.counts.taken + live.counts.early, 60)
        }
    }

    func testTheModelSeesThePreprocessedFrame() throws {
        let runtime = PatientRuntime()
        let inbox = Inbox()
        let frame = SmallFrame(format: .bgra)
        let live = try LiveClassifier(runtime: runtime, classifier: nil)
        live.offer(frame, at: 0, thermalState: .nominal, deliver: inbox.deliver)
        runtime.mayAnswer.signal()
        let reading = try inbox.next()
        let preprocess = ImagePreprocessor(width: 2, height: 2, size: 2)
        let expected = try frame.withBytes { try preprocess($0, bytesPerRow: $1, format: .bgra) }
        XCTAssertEqual(runtime.images, [expected])
        XCTAssertGreaterThan(reading.preprocessing, 0)
        XCTAssertGreaterThan(reading.inference, 0)
        XCTAssertTrue(reading.matches.isEmpty)
    }

    func testLabelsAreTheNearestClassesTheNearestFirst() throws {
        let runtime = PatientRuntime { [0.1, 3] }
        let inbox = Inbox()
        let live = try LiveClassifier(runtime: runtime, classifier: try classifier())
        live.offer(SmallFrame(), at: 0, thermalState: .nominal, deliver: inbox.deliver)
        runtime.mayAnswer.signal()
        let matches = try inbox.next().matches
        XCTAssertEqual(matches.map(\.label), ["north", "between", "east"])
        XCTAssertEqual(matches[0].cosine, 3 / Float(9.01).squareRoot(), accuracy: 1e-6)
    }

    func testAFailureIsDeliveredAndTheNextFrameIsTaken() throws {
        let runtime = PatientRuntime { throw PEValidateError("out of memory") }
        let inbox = Inbox()
        let live = try LiveClassifier(runtime: runtime, classifier: nil)
        for time in [0.0, 1.0] {
            XCTAssertTrue(live.offer(SmallFrame(), at: time, thermalState: .nominal, deliver: inbox.deliver))
            runtime.mayAnswer.signal()
            XCTAssertThrowsError(try inbox.next()) { XCTAssertEqual("\($0)", "out of memory") }
        }
    }

    func testAModelThatTakesNoImageAndATableOfAnotherModelAreRefused() throws {
        for shape in [[1, 3, 2, 4], [3, 2, 2], [2, 3, 2, 2], [1, 4, 2, 2], [1, 3, 0, 0]] {
            XCTAssertThrowsError(try LiveClassifier(runtime: PatientRuntime(input: shape), classifier: nil))
        }
        let other = try classifier([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]])
        XCTAssertThrowsError(try LiveClassifier(runtime: PatientRuntime(), classifier: other))
    }

    func testATableOfClassesIsFoundByItsModelAndCheckedAgainstTheManifest() throws {
        let models = ["PE-Nano", "PE-Other"]
        let content = try table(labels: ["one", "two"], embeddings: [[1, 0], [0, 1]])
        let path = folder.appendingPathComponent("PE-Nano/classes.safetensors")
        try FileManager.default.createDirectory(
            at: path.deletingLastPathComponent(),
            withIntermediateDirectories: true
        )
        try content.write(to: path)
        let artifacts = models.map { model in
            [
                "case": "\(model)/pte/fp32", "model": model, "target": "pte", "precision": "fp32", "file": "x",
                "sha256": "", "bytes": 1, "weights_sha256": "",
                "input": ["name": "image", "shape": [1, 3, 2, 2], "dtype": "float32"],
                "output": ["name": "features", "shape": [1, 2], "dtype": "float32"],
            ] as [String: Any]
        }
        let classes = ["PE-Nano": try Digest.of(path)]
        let manifest: [String: Any] = [
            "goldens": [String: Any](), "bundle": ["artifacts": artifacts, "classes": classes],
        ]
        try JSONSerialization.data(withJSONObject: manifest)
            .write(to: folder.appendingPathComponent("manifest.json"))
        let resources = try ResourceFolder(folder)
        XCTAssertEqual(try resources.classifier(for: resources.artifacts[0])?.labels, ["one", "two"])
        XCTAssertNil(try resources.classifier(for: resources.artifacts[1]))
        try (content + Data([0])).write(to: path)
        XCTAssertThrowsError(try resources.classifier(for: resources.artifacts[0])) {
            XCTAssertTrue("\($0)".contains("was altered"), "\($0)")
        }
    }
}

final class TestHostTests: XCTestCase {
    func testTheAppLeavesTheCameraAloneWhenItIsStartedForTests() {
        XCTAssertTrue(isTestHost(environment: ["HOME": "/", "XCTestConfigurationFilePath": ""]))
        XCTAssertTrue(isTestHost(environment: ["XCTestSessionIdentifier": "1"]))
        XCTAssertFalse(isTestHost(environment: ["HOME": "/", "NOT_XCTest": "1"]))
    }
}

final class LiveReadoutTests: XCTestCase {
    private static let counts = LiveClassifier.Counts(taken: 9, late: 2, early: 1)

    private static func budget(_ milliseconds: Double) throws -> Budget {
        let text = """
            {"target": "pte", "precision": "fp32", "device": "iPhone", "label": "real time",
             "milliseconds": \(milliseconds)}
            """
        return try JSONDecoder().decode(Budget.self, from: Data(text.utf8))
    }

    private static func reading(_ milliseconds: Double) -> LiveClassifier.Reading {
        LiveClassifier.Reading(matches: [], preprocessing: 2, inference: milliseconds)
    }

    func testItWaitsUntilThereIsSomethingToShow() {
        let readout = LiveReadout(budget: nil)
        XCTAssertEqual(
            readout.lines(counts: Self.counts, thermalState: .nominal, memory: nil),
            ["waiting for the first frame"]
        )
        XCTAssertNil(readout.keepsBudget)
    }

    func testItShowsLatencyBesideItsBudgetDroppedFramesHeatAndMemory() throws {
        var readout = LiveReadout(budget: try Self.budget(33.3))
        for value in [20.0, 30, 40] { readout.add(Self.reading(value)) }
        XCTAssertEqual(
            readout.lines(counts: Self.counts, thermalState: .serious, memory: 123_456_789),
            [
                "inference 30.0 ms, 95 % in 39.0 ms of 33.3 ms (real time)",
                "preprocessing 2.0 ms",
                "9 frames seen, 2 dropped as late, 1 as early",
                "thermal state serious, memory 123 MB",
            ]
        )
        XCTAssertEqual(readout.keepsBudget, false)
    }

    func testOnlyTheLastSecondsCount() throws {
        var readout = LiveReadout(budget: try Self.budget(33.3))
        for _ in 0..<LiveReadout.window { readout.add(Self.reading(500)) }
        XCTAssertEqual(readout.keepsBudget, false)
        for _ in 0..<LiveReadout.window { readout.add(Self.reading(10)) }
        XCTAssertEqual(readout.keepsBudget, true)
    }
}
