import Foundation
import PEValidateCore

/// Load an artifact into the runtime of its target, and hold it to what the manifest says it declares.
///
/// - Parameter computeUnits: For a Core ML package; nothing else has a choice.
/// - Returns: nil when no such runtime is in this build.
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
