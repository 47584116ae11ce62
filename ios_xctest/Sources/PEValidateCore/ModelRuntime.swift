/// Something that runs one artifact.
///
/// One is used from one thread at a time.
public protocol ModelRuntime: AnyObject {
    /// Name and version, such as `ONNX Runtime 1.21.0`, and what it computes with.
    var producer: String { get }
    var input: TensorSpec { get }
    var output: TensorSpec { get }

    /// - Parameter image: As many values as `input` has, row-major.
    /// - Returns: As many as `output` has.
    /// - Throws: `PEValidateError` when the artifact cannot be executed.
    func run(_ image: [Float]) throws -> [Float]
}

/// What Core ML may compute with.
public enum ComputeUnits: String, Codable, CaseIterable, Sendable {
    case all
    case cpuAndNeuralEngine
    case cpuAndGPU
    case cpuOnly
}

extension ModelRuntime {
    /// Refuse an artifact that does not declare what the manifest says of it.
    ///
    /// - Throws: `PEValidateError` when it does not.
    public func check(declares artifact: Artifact) throws {
        guard input == artifact.input, output == artifact.output else {
            throw PEValidateError(
                "\(artifact) declares \(input) and \(output), where the manifest says \(artifact.input) and "
                    + "\(artifact.output)."
            )
        }
    }
}
