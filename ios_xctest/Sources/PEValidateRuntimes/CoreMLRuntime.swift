#if canImport(CoreML)
    import CoreML
    import Foundation
    import PEValidateCore

    /// A Core ML package, compiled on the device.
    public final class CoreMLRuntime: ModelRuntime {
        public let producer: String
        public let input: TensorSpec
        public let output: TensorSpec
        private let model: MLModel
        private let compiled: URL

        /// - Throws: `PEValidateError` when the package cannot be compiled or loaded.
        public init(contentsOf url: URL, computeUnits: ComputeUnits = .all) throws {
            let configuration = MLModelConfiguration()
            configuration.computeUnits = MLComputeUnits(computeUnits)
            do {
                compiled = try MLModel.compileModel(at: url)
                model = try MLModel(contentsOf: compiled, configuration: configuration)
            } catch {
                throw PEValidateError("'\(url.path)' cannot be loaded by Core ML: \(error.localizedDescription)")
            }
            producer = "Core ML, \(computeUnits.rawValue)"
            input = try Self.spec(model.modelDescription.inputDescriptionsByName)
            output = try Self.spec(model.modelDescription.outputDescriptionsByName)
        }

        deinit {
            try? FileManager.default.removeItem(at: compiled)
        }

        public func run(_ values: TensorValues) throws -> [Float] {
            try check(takes: values)
            let array =
                switch values {
                case .floats(let floats): MLMultiArray(MLShapedArray<Float>(scalars: floats, shape: input.shape))
                case .integers(let ids): MLMultiArray(MLShapedArray<Int32>(scalars: ids, shape: input.shape))
                }
            do {
                let features = try MLDictionaryFeatureProvider(
                    dictionary: [input.name: MLFeatureValue(multiArray: array)])
                let answer = try model.prediction(from: features)
                guard let found = answer.featureValue(for: output.name)?.multiArrayValue else {
                    throw PEValidateError("Core ML gave no '\(output.name)'.")
                }
                return MLShapedArray<Float>(converting: found).scalars
            } catch let error as PEValidateError {
                throw error
            } catch {
                throw PEValidateError("Core ML failed: \(error.localizedDescription)")
            }
        }

        private static func spec(_ descriptions: [String: MLFeatureDescription]) throws -> TensorSpec {
            guard descriptions.count == 1, let (name, description) = descriptions.first,
                let constraint = description.multiArrayConstraint
            else {
                throw PEValidateError("the model declares \(descriptions.keys.sorted()), where one array is wanted.")
            }
            let dtype: String
            switch constraint.dataType {
            case .float32: dtype = "float32"
            case .float16: dtype = "float16"
            case .int32: dtype = TensorSpec.integers
            default: dtype = "type \(constraint.dataType.rawValue)"
            }
            return TensorSpec(name: name, shape: constraint.shape.map(\.intValue), dtype: dtype)
        }
    }

    extension MLComputeUnits {
        init(_ units: ComputeUnits) {
            switch units {
            case .all: self = .all
            case .cpuAndNeuralEngine: self = .cpuAndNeuralEngine
            case .cpuAndGPU: self = .cpuAndGPU
            case .cpuOnly: self = .cpuOnly
            }
        }
    }
#endif
