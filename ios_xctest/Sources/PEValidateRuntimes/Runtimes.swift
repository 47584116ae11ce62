import Foundation
import PEValidateCore

/// Load an artifact into the runtime of its target, and hold it to what the manifest says it declares.
///
/// - Parameter computeUnits: One of `choices(of:)`; nothing where there is no choice.
/// - Returns: nil when there is no such runtime here; `missingRuntime(for:)` says why.
/// - Throws: `PEValidateError` when the artifact cannot be loaded, or declares something else.
public func loadRuntime(
    for artifact: Artifact,
    at url: URL,
    computeUnits: ComputeUnits = .all
) throws -> (any ModelRuntime)? {
    let runtime: any ModelRuntime
    switch artifact.target {
    #if canImport(COnnxRuntime)
        case "onnx": runtime = try OnnxRuntime(contentsOf: url)
    #endif
    #if canImport(CoreML)
        case "mlpackage": runtime = try CoreMLRuntime(contentsOf: url, computeUnits: computeUnits)
    #endif
    #if canImport(CoreAI)
        case "coreai":
            guard #available(iOS 27, macOS 27, *) else { return nil }
            runtime = try CoreAIRuntime(contentsOf: url, computeUnits: computeUnits)
    #endif
    #if canImport(ExecuTorch)
        case "pte", "pte-coreml":
            runtime = try ExecuTorchRuntime(
                contentsOf: url,
                input: artifact.input.name,
                output: artifact.output.name
            )
    #endif
    default: return nil
    }
    try runtime.check(declares: artifact)
    return runtime
}

/// What the runtime of a target can be told to compute with; nothing where it has no choice.
public func choices(of target: String) -> [ComputeUnits] {
    switch target {
    case "mlpackage": ComputeUnits.allCases
    case "coreai": [.all, .cpuOnly]
    default: []
    }
}

/// Why there is no runtime for an artifact here, as a sentence without its beginning and end.
public func missingRuntime(for artifact: Artifact) -> String {
    guard artifact.target == "coreai" else { return "this build has no runtime for '\(artifact.target)'" }
    #if canImport(CoreAI)
        return "Core AI needs iOS 27 or macOS 27, and this is \(ProcessInfo.processInfo.operatingSystemVersionString)"
    #else
        return "this build has no runtime for 'coreai', which needs the SDK of iOS 27 or macOS 27"
    #endif
}
