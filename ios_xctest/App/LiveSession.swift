import Foundation
import Observation
import PEValidateCore
import PEValidateRuntimes

/// What the screen shows: models to choose from, and what the chosen one makes of the camera's frames.
@MainActor @Observable
final class LiveSession {
    /// Name of an artifact, such as `PE-Core-S16-384/pte/int8`.
    var chosen: String?
    private(set) var choices: [String] = []
    private(set) var labels: [String] = []
    private(set) var lines: [String] = []
    private(set) var keepsBudget: Bool?
    private(set) var message: String?

    @ObservationIgnored private var resources: ResourceFolder?
    @ObservationIgnored private var readout = LiveReadout(budget: nil)
    @ObservationIgnored private let live = Shared<LiveClassifier>()
    @ObservationIgnored private(set) lazy var camera = Camera { [live, weak self] frame, time in
        // On the camera's queue: a frame that is not taken ends here.
        guard let classifier = live.value else { return }
        let heat = ThermalState(ProcessInfo.processInfo.thermalState)
        classifier.offer(frame, at: time, thermalState: heat) { result in
            let counts = classifier.counts
            Task { @MainActor in
                guard live.value === classifier else { return }
                self?.show(result, counts: counts, thermalState: heat)
            }
        }
    }

    func start() async {
        do {
            let folder = try ResourceFolder(Bundle.main.bundleURL.appendingPathComponent(ResourceFolder.inApp))
            resources = folder
            choices = folder.classifying.map(\.case)
            chosen = chosen ?? choices.first
            try await camera.start()
        } catch {
            message = "\(error)"
        }
    }

    func stop() {
        camera.stop()
    }

    /// Load the chosen model away from the screen: Core ML compiles it first, which takes seconds.
    func load() {
        guard let resources, let artifact = resources.classifying.first(where: { $0.case == chosen }) else { return }
        live.value = nil
        labels = []
        lines = ["loading \(artifact)"]
        message = nil
        readout = LiveReadout(budget: resources.manifest.budget(for: artifact, on: Device.current.model))
        Task.detached { [live] in
            let loaded = Result { try Self.classifier(for: artifact, in: resources) }
            await MainActor.run {
                guard self.chosen == artifact.case else { return }
                switch loaded {
                case .success(let classifier): live.value = classifier
                case .failure(let error): self.message = "\(error)"
                }
            }
        }
    }

    private nonisolated static func classifier(
        for artifact: Artifact,
        in resources: ResourceFolder
    ) throws -> LiveClassifier {
        guard let runtime = try loadRuntime(for: artifact, at: resources.path(of: artifact)) else {
            throw PEValidateError("\(artifact) cannot run here: \(missingRuntime(for: artifact)).")
        }
        return try LiveClassifier(runtime: runtime, classifier: resources.classifier(for: artifact))
    }

    private func show(
        _ result: Result<LiveClassifier.Reading, any Error>,
        counts: LiveClassifier.Counts,
        thermalState: ThermalState
    ) {
        switch result {
        case .success(let reading):
            readout.add(reading)
            labels = reading.matches.map { String(format: "%.2f  ", $0.cosine) + $0.label }
            lines = readout.lines(counts: counts, thermalState: thermalState, memory: MemoryFootprint.current())
            keepsBudget = readout.keepsBudget
        case .failure(let error):
            message = "\(error)"
        }
    }
}

/// One reference that several threads read and replace.
final class Shared<Value: Sendable>: @unchecked Sendable {
    private let lock = NSLock()
    private var stored: Value?

    var value: Value? {
        get { lock.withLock { stored } }
        set { lock.withLock { stored = newValue } }
    }
}
