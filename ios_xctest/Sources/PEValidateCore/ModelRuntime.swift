/// The values of one input, row-major.
public enum TensorValues: Equatable, Sendable {
    /// Of an input in float32, or in float16, to which the runtime rounds.
    case floats([Float])
    /// Of an input in int32, such as the ids of a text.
    case integers([Int32])

    public var count: Int {
        switch self {
        case .floats(let values): values.count
        case .integers(let values): values.count
        }
    }
}

/// Something that runs one artifact.
///
/// One is used from one thread at a time.
public protocol ModelRuntime: AnyObject {
    /// Name and version, such as `ONNX Runtime 1.21.0`, and what it computes with.
    var producer: String { get }
    var input: TensorSpec { get }
    var output: TensorSpec { get }

    /// - Parameter values: As many as `input` has, and of its type.
    /// - Returns: As many as `output` has.
    /// - Throws: `PEValidateError` when the artifact cannot be executed.
    func run(_ values: TensorValues) throws -> [Float]
}

/// What Core ML may compute with.
public enum ComputeUnits: String, Codable, CaseIterable, Sendable {
    case all
    case cpuAndNeuralEngine
    case cpuAndGPU
    case cpuOnly
}

extension ModelRuntime {
    /// Refuse values that are not those of the input.
    ///
    /// - Throws: `PEValidateError` when there are fewer or more, or they are of another type.
    public func check(takes values: TensorValues) throws {
        let (type, fits) =
            switch values {
            case .floats: ("floats", input.dtype != TensorSpec.integers)
            case .integers: ("integers", input.dtype == TensorSpec.integers)
            }
        guard fits, values.count == input.count else {
            throw PEValidateError("\(values.count) \(type) are not an input \(input).")
        }
    }

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
