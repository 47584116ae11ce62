// What CoreAIRuntime uses of Core AI, with the signatures of developer.apple.com/documentation/coreai as they were in 2026
// (iOS 27, macOS 27). It was not compared with Apple's SDK.
import Foundation

// Swift's own from 6.2 on; there it cannot escape.
public struct Span<Element> {
    public var count: Int { fatalError() }
    public subscript(_ position: Int) -> Element { fatalError() }
}

public enum ComputeUnitKind: Hashable, Sendable {
    case cpu
    case gpu
    case neuralEngine
}

public struct SpecializationOptions: Sendable {
    public static let `default` = SpecializationOptions()
    public static let cpuOnly = SpecializationOptions()
    public init(preferredComputeUnitKind: ComputeUnitKind) { fatalError() }
    init() {}
}

public struct NDArray {
    public enum ScalarType: Sendable {
        case float32
        case float16
        case bfloat16
        case int32
    }

    public struct InterleaveLayout {}

    public struct View<Element> where Element: BitwiseCopyable {
        public var interleaveLayout: NDArray.InterleaveLayout? { fatalError() }
        public func withUnsafePointer<R, E>(
            _ body: (UnsafePointer<Element>, Span<Int>, Span<Int>) throws(E) -> R
        ) throws(E) -> R where E: Error { fatalError() }
    }

    public init<Scalar>(scalars: some Sequence<Scalar>, shape: [Int]) where Scalar: BitwiseCopyable { fatalError() }
    public var scalarType: NDArray.ScalarType { fatalError() }
    public func view<T>(as type: T.Type = T.self) -> NDArray.View<T> where T: BitwiseCopyable { fatalError() }
}

public struct NDArrayDescriptor: Sendable {
    public var shape: [Int] { fatalError() }
    public var scalarType: NDArray.ScalarType { fatalError() }
}

public struct ImageDescriptor: Sendable {}

public struct InferenceValue: ~Copyable {
    public enum Descriptor: Sendable {
        case ndArray(NDArrayDescriptor)
        case image(ImageDescriptor)
    }

    public var ndArray: NDArray? { consuming get { fatalError() } }
}

public struct InferenceFunctionDescriptor: Sendable {
    public var inputNames: [String] { fatalError() }
    public var outputNames: [String] { fatalError() }
    public func inputDescriptor(of inputName: String) -> InferenceValue.Descriptor? { fatalError() }
    public func outputDescriptor(of outputName: String) -> InferenceValue.Descriptor? { fatalError() }
}

public struct InferenceFunction: Sendable {
    public struct MutableViews: ~Copyable {
        public init() { fatalError() }
    }

    public struct Outputs: ~Copyable {
        public mutating func remove(_ name: String) -> InferenceValue? { fatalError() }
    }

    public var descriptor: InferenceFunctionDescriptor { fatalError() }
    public func run(
        inputs: [String: NDArray],
        states: consuming MutableViews = MutableViews(),
        outputViews: consuming MutableViews = MutableViews()
    ) async throws -> Outputs { fatalError() }
}

public struct AIModel: Sendable {
    public init(contentsOf modelURL: URL, options: SpecializationOptions = .default) async throws { fatalError() }
    public func loadFunction(named functionName: String) throws -> InferenceFunction? { fatalError() }
}
