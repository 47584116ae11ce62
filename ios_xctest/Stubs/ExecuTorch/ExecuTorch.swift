// What ExecuTorchRuntime uses of ExecuTorch, with the signatures of extension/apple/ExecuTorch/Exported in
// github.com/pytorch/executorch.
@_exported import Foundation

public enum DataType: Int8, Sendable {
    case byte, char, short, int, long, half, float, double
}

public enum ShapeDynamism: UInt8, Sendable {
    case `static`, dynamicBound, dynamicUnbound
}

public protocol Scalar {
    static var dataType: DataType { get }
}

extension Float: Scalar {
    public static var dataType: DataType { fatalError() }
}

extension Int32: Scalar {
    public static var dataType: DataType { fatalError() }
}

public final class AnyTensor: NSObject {
    public var dataType: DataType { fatalError() }
    public func copy(to dataType: DataType) -> Self { fatalError() }
}

public final class Tensor<T: Scalar> {
    public init(_ tensor: AnyTensor) { fatalError() }
    public convenience init(
        _ scalars: [T],
        shape: [Int] = [],
        strides: [Int] = [],
        dimensionOrder: [Int] = [],
        shapeDynamism: ShapeDynamism = .dynamicBound
    ) { fatalError() }
    public var anyTensor: AnyTensor { fatalError() }
    public func scalars() -> [T] { fatalError() }
}

public final class Value: NSObject {}

public protocol ValueConvertible {
    func asValue() -> Value
}

public protocol ValueSequenceConstructible {
    static func from(_ values: [Value]) throws -> Self
}

extension AnyTensor: ValueConvertible, ValueSequenceConstructible {
    public func asValue() -> Value { fatalError() }
    public static func from(_ values: [Value]) throws -> Self { fatalError() }
}

extension Tensor: ValueConvertible, ValueSequenceConstructible {
    public func asValue() -> Value { fatalError() }
    public static func from(_ values: [Value]) throws -> Self { fatalError() }
}

public protocol ValueConstructible {
    static func from(_ value: Value) throws -> Self
}

extension AnyTensor: ValueConstructible {
    public static func from(_ value: Value) throws -> Self { fatalError() }
}

extension Tensor: ValueConstructible {
    public static func from(_ value: Value) throws -> Self { fatalError() }
}

extension Array: ValueSequenceConstructible where Element: ValueConstructible {
    public static func from(_ values: [Value]) throws -> [Element] { fatalError() }
}

public final class TensorMetadata: NSObject {
    public var shape: [Int] { fatalError() }
    public var dataType: DataType { fatalError() }
}

public final class MethodMetadata: NSObject {
    public var inputTensorMetadata: [Int: TensorMetadata] { fatalError() }
    public var outputTensorMetadata: [Int: TensorMetadata] { fatalError() }
    public var backendNames: [String] { fatalError() }
}

open class Module: NSObject {
    public convenience init(filePath: String) { fatalError() }
    open func load(_ methodName: String) throws { fatalError() }
    open func methodMetadata(_ methodName: String) throws -> MethodMetadata { fatalError() }
}

extension Module {
    public func forward() throws -> [Value] { fatalError() }
    public func forward(_ inputs: [ValueConvertible]) throws -> [Value] { fatalError() }
    public func forward(_ inputs: ValueConvertible...) throws -> [Value] { fatalError() }
    public func forward<Output: ValueSequenceConstructible>(_ inputs: [ValueConvertible]) throws -> Output {
        fatalError()
    }
    public func forward<Output: ValueSequenceConstructible>(_ inputs: ValueConvertible...) throws -> Output {
        fatalError()
    }
    public func forward<Output: ValueSequenceConstructible>(_ input: ValueConvertible) throws -> Output {
        fatalError()
    }
}
