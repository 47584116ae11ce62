#if canImport(ExecuTorch)
    import ExecuTorch
    import Foundation
    import PEValidateCore

    /// An ExecuTorch program; its delegate must be linked into the app with `-all_load`, or `-force_load`.
    ///
    /// Interface: branch `swiftpm-1.4.1` of github.com/pytorch/executorch.
    public final class ExecuTorchRuntime: ModelRuntime {
        public let producer: String
        public let input: TensorSpec
        public let output: TensorSpec
        private let module: Module

        private static let method = "forward"

        /// - Parameters:
        ///   - input: Program files name their inputs and outputs by number only: names are those of the manifest.
        ///   - output: As `input`.
        /// - Throws: `PEValidateError` when the file cannot be loaded.
        public init(contentsOf url: URL, input: String, output: String) throws {
            module = Module(filePath: url.path)
            do {
                try module.load(Self.method)
                let metadata = try module.methodMetadata(Self.method)
                producer = "ExecuTorch 1.4.1, \(metadata.backendNames.sorted().joined(separator: " and "))"
                self.input = try Self.spec(input, metadata.inputTensorMetadata)
                self.output = try Self.spec(output, metadata.outputTensorMetadata)
            } catch {
                throw PEValidateError("'\(url.path)' cannot be loaded by ExecuTorch: \(error).")
            }
        }

        public func run(_ values: TensorValues) throws -> [Float] {
            try check(takes: values)
            do {
                let given = tensor(of: values)
                if output.dtype == "float32" {
                    let features: Tensor<Float> = try module.forward(given)
                    return features.scalars()
                }
                let features: AnyTensor = try module.forward(given)
                return Tensor<Float>(features.copy(to: .float)).scalars()
            } catch {
                throw PEValidateError("ExecuTorch failed: \(error).")
            }
        }

        /// Values in the type of the input.
        private func tensor(of values: TensorValues) -> AnyTensor {
            switch values {
            case .floats(let floats):
                let tensor = Tensor<Float>(floats, shape: input.shape).anyTensor
                return input.dtype == "float32" ? tensor : tensor.copy(to: .half)
            case .integers(let ids): return Tensor<Int32>(ids, shape: input.shape).anyTensor
            }
        }

        private static func spec(_ name: String, _ tensors: [Int: TensorMetadata]) throws -> TensorSpec {
            guard tensors.count == 1, let tensor = tensors[0] else {
                throw PEValidateError("\(tensors.count) tensors are declared, where one is wanted")
            }
            let dtype: String
            switch tensor.dataType {
            case .float: dtype = "float32"
            case .half: dtype = "float16"
            case .int: dtype = TensorSpec.integers
            default: throw PEValidateError("tensors of type \(tensor.dataType.rawValue) are declared")
            }
            return TensorSpec(name: name, shape: tensor.shape, dtype: dtype)
        }
    }
#endif
