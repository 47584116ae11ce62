#if canImport(COnnxRuntime)
    import COnnxRuntime
    import Foundation
    import PEValidateCore

    /// ONNX Runtime on the CPU, by its C interface.
    public final class OnnxRuntime: ModelRuntime {
        public let producer: String
        public private(set) var input = TensorSpec(name: "", shape: [], dtype: "")
        public private(set) var output = TensorSpec(name: "", shape: [], dtype: "")
        private let api: OrtApi
        private var environment: OpaquePointer?
        private var session: OpaquePointer?
        private var memory: OpaquePointer?

        /// - Parameter threads: Of one inference; nil for as many as there are cores.
        /// - Throws: `PEValidateError` when the file cannot be loaded.
        public init(contentsOf url: URL, threads: Int? = nil) throws {
            let base = OrtGetApiBase().pointee
            guard let api = base.GetApi(UInt32(ORT_API_VERSION)) else {
                throw PEValidateError("ONNX Runtime is older than the header that this was built with.")
            }
            self.api = api.pointee
            producer = "ONNX Runtime \(base.GetVersionString().map { String(cString: $0) } ?? "")"
            try check(self.api.CreateEnv(ORT_LOGGING_LEVEL_ERROR, "pe_validate", &environment))
            // Some builds report to their maker.
            try check(self.api.DisableTelemetryEvents(environment))
            var options: OpaquePointer?
            try check(self.api.CreateSessionOptions(&options))
            defer { self.api.ReleaseSessionOptions(options) }
            if let threads { try check(self.api.SetIntraOpNumThreads(options, Int32(threads))) }
            do {
                try check(self.api.CreateSession(environment, url.path, options, &session))
            } catch {
                throw PEValidateError("'\(url.path)' cannot be loaded by ONNX Runtime: \(error).")
            }
            try check(self.api.CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory))
            input = try spec(name: self.api.SessionGetInputName, type: self.api.SessionGetInputTypeInfo)
            output = try spec(name: self.api.SessionGetOutputName, type: self.api.SessionGetOutputTypeInfo)
            guard output.dtype == "float32" else { throw PEValidateError("the model answers \(output), not float32") }
        }

        deinit {
            api.ReleaseMemoryInfo(memory)
            api.ReleaseSession(session)
            api.ReleaseEnv(environment)
        }

        public func run(_ values: TensorValues) throws -> [Float] {
            try check(takes: values)
            switch values {
            case .floats(let floats): return try run(floats, of: ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT)
            case .integers(let ids): return try run(ids, of: ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32)
            }
        }

        private func run<Element: BitwiseCopyable>(
            _ values: [Element],
            of type: ONNXTensorElementDataType
        ) throws -> [Float] {
            var values = values
            let shape = input.shape.map(Int64.init)
            var result: OpaquePointer?
            try values.withUnsafeMutableBytes { bytes in
                var value: OpaquePointer?
                try check(
                    api.CreateTensorWithDataAsOrtValue(
                        memory,
                        bytes.baseAddress,
                        bytes.count,
                        shape,
                        shape.count,
                        type,
                        &value
                    )
                )
                defer { api.ReleaseValue(value) }
                try input.name.withCString { inputName in
                    try output.name.withCString { outputName in
                        var names: (UnsafePointer<CChar>?, UnsafePointer<CChar>?) = (inputName, outputName)
                        var inputs: OpaquePointer? = value
                        try check(api.Run(session, nil, &names.0, &inputs, 1, &names.1, 1, &result))
                    }
                }
            }
            defer { api.ReleaseValue(result) }
            var data: UnsafeMutableRawPointer?
            try check(api.GetTensorMutableData(result, &data))
            guard let data else { throw PEValidateError("ONNX Runtime gave no answer.") }
            return Array(UnsafeBufferPointer(start: data.assumingMemoryBound(to: Float.self), count: output.count))
        }

        private typealias NameOf = @convention(c) (
            OpaquePointer?, Int, UnsafeMutablePointer<OrtAllocator>?,
            UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
        ) -> OpaquePointer?
        private typealias TypeOf = @convention(c) (
            OpaquePointer?, Int, UnsafeMutablePointer<OpaquePointer?>?
        ) -> OpaquePointer?

        private func spec(name nameOf: NameOf, type typeOf: TypeOf) throws -> TensorSpec {
            var allocator: UnsafeMutablePointer<OrtAllocator>?
            try check(api.GetAllocatorWithDefaultOptions(&allocator))
            var name: UnsafeMutablePointer<CChar>?
            try check(nameOf(session, 0, allocator, &name))
            defer { _ = api.AllocatorFree(allocator, name) }
            var type: OpaquePointer?
            try check(typeOf(session, 0, &type))
            defer { api.ReleaseTypeInfo(type) }
            var tensor: OpaquePointer?
            try check(api.CastTypeInfoToTensorInfo(type, &tensor))
            var element = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED
            var rank = 0
            guard let name, let tensor else { throw PEValidateError("the model declares something that is no tensor") }
            try check(api.GetTensorElementType(tensor, &element))
            try check(api.GetDimensionsCount(tensor, &rank))
            var shape = [Int64](repeating: 0, count: rank)
            try check(api.GetDimensions(tensor, &shape, rank))
            let types = [
                ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT.rawValue: "float32",
                ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32.rawValue: TensorSpec.integers,
            ]
            guard let dtype = types[element.rawValue], shape.allSatisfy({ $0 > 0 }) else {
                throw PEValidateError(
                    "the model declares \(shape) of type \(element.rawValue), not fixed float32 or int32"
                )
            }
            return TensorSpec(name: String(cString: name), shape: shape.map(Int.init), dtype: dtype)
        }

        private func check(_ status: OpaquePointer?) throws {
            guard let status else { return }
            defer { api.ReleaseStatus(status) }
            throw PEValidateError(api.GetErrorMessage(status).map { String(cString: $0) } ?? "no reason is given")
        }
    }
#endif
