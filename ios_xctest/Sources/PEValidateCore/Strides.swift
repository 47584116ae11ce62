/// The values of an array in row-major order.
///
/// - Parameter strides: Along each axis, the distance in values from one to the next; rows may be padded.
public func rowMajor<Value>(_ first: UnsafePointer<Value>, shape: [Int], strides: [Int]) -> [Value] {
    var places = [0]
    for (length, stride) in zip(shape, strides) {
        places = places.flatMap { place in (0..<length).map { place + $0 * stride } }
    }
    return places.map { first[$0] }
}
