#if canImport(CoreAI)
    import CoreAI
    import Foundation
    import PEValidateCore

    /// A Core AI asset, specialised on the device; the system keeps what it has specialised for the next time.
    ///
    /// The framework is asynchronous, and `ModelRuntime` waits: a latency holds the hand-over to another thread and back.
    @available(iOS 27, macOS 27, *)
    public final class CoreAIRuntime: ModelRuntime {
        public let producer: String
        public let input: TensorSpec
        public let output: TensorSpec
        private let function: InferenceFunction

        private static let entry = "main"

        /// - Parameter computeUnits: One of `choices(of:)`: an app can prefer a processor and, but by `cpuOnly`, keep
        ///   none from computing.
        /// - Throws: `PEValidateError` when the asset cannot be specialised or loaded.
        public init(contentsOf url: URL, computeUnits: ComputeUnits = .all) throws {
            guard choices(of: "coreai").contains(computeUnits) else {
                throw PEValidateError("Core AI cannot be held to \(computeUnits.rawValue): choose all or cpuOnly.")
            }
            do {
                function = try waiting {
                    let options: SpecializationOptions = computeUnits == .cpuOnly ? .cpuOnly : .default
                    let model = try await AIModel(contentsOf: url, options: options)
                    guard let found = try model.loadFunction(named: Self.entry) else {
                        throw PEValidateError("it has no function '\(Self.entry)'")
                    }
                    return found
                }
            } catch {
                throw PEValidateError("'\(url.path)' cannot be loaded by Core AI: \(error).")
            }
            producer = "Core AI, \(computeUnits.rawValue)"
            let declared = function.descriptor
            input = try Self.spec(declared.inputNames, declared.inputDescriptor(of:))
            output = try Self.spec(declared.outputNames, declared.outputDescriptor(of:))
            guard output.dtype == "float32" else { throw PEValidateError("the asset answers \(output), not float32") }
        }

        public func run(_ values: TensorValues) throws -> [Float] {
            try check(takes: values)
            do {
                return try waiting { [function, input, output] in
                    let array =
                        switch values {
                        case .floats(let floats): NDArray(scalars: floats, shape: input.shape)
                        case .integers(let ids): NDArray(scalars: ids, shape: input.shape)
                        }
                    var answer = try await function.run(inputs: [input.name: array])
                    guard let found = answer.remove(output.name)?.ndArray else {
                        throw PEValidateError("there is no '\(output.name)'")
                    }
                    return try Self.floats(of: found)
                }
            } catch {
                throw PEValidateError("Core AI failed: \(error).")
            }
        }

        private static func floats(of array: NDArray) throws -> [Float] {
            guard array.scalarType == .float32 else { throw PEValidateError("it answered \(array.scalarType)") }
            let view = array.view(as: Float.self)
            guard view.interleaveLayout == nil else { throw PEValidateError("it answered interleaved values") }
            return view.withUnsafePointer { first, shape, strides in
                rowMajor(
                    first,
                    shape: (0..<shape.count).map { shape[$0] },
                    strides: (0..<strides.count).map { strides[$0] }
                )
            }
        }

        private static func spec(
            _ names: [String],
            _ describe: (String) -> InferenceValue.Descriptor?
        ) throws -> TensorSpec {
            guard names.count == 1, case .ndArray(let array)? = describe(names[0]) else {
                throw PEValidateError("the asset declares \(names.sorted()), where one array is wanted.")
            }
            let dtype: String
            switch array.scalarType {
            case .float32: dtype = "float32"
            case .int32: dtype = TensorSpec.integers
            default: throw PEValidateError("the asset declares '\(names[0])' of type \(array.scalarType).")
            }
            return TensorSpec(name: names[0], shape: array.shape, dtype: dtype)
        }
    }
#endif
