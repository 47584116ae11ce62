// What the suite uses of XCTest as it is on Apple's systems, with the signatures of developer.apple.com.
@_exported import Foundation

open class XCTest: NSObject {}

open class XCTestCase: XCTest {
    open func add(_ attachment: XCTAttachment) { fatalError() }
    open func measure(metrics: [any XCTMetric], block: () -> Void) { fatalError() }
}

open class XCTAttachment: NSObject {
    public enum Lifetime: Int, Sendable {
        case keepAlways = 0
        case deleteOnSuccess = 1
    }

    public convenience init(data payload: Data, uniformTypeIdentifier: String) { fatalError() }
    open var name: String? {
        get { fatalError() }
        set { fatalError() }
    }
    open var lifetime: XCTAttachment.Lifetime {
        get { fatalError() }
        set { fatalError() }
    }
}

public protocol XCTActivity: AnyObject {
    var name: String { get }
    func add(_ attachment: XCTAttachment)
}

open class XCTContext: NSObject {
    @MainActor @preconcurrency
    public class func runActivity<Result>(
        named name: String,
        block: @MainActor (any XCTActivity) throws -> Result
    ) rethrows -> Result { fatalError() }
}

public protocol XCTMetric: AnyObject {}
open class XCTClockMetric: NSObject, XCTMetric {}
open class XCTMemoryMetric: NSObject, XCTMetric {}
open class XCTCPUMetric: NSObject, XCTMetric {}

public struct XCTSkip: Error {
    public init(
        _ message: @autoclosure () -> String? = nil,
        file: StaticString = #filePath,
        line: UInt = #line
    ) { fatalError() }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
public func XCTFail(_ message: String = "", file: StaticString = #filePath, line: UInt = #line) { fatalError() }

// swift-format-ignore: AlwaysUseLowerCamelCase
public func XCTAssertTrue(
    _ expression: @autoclosure () throws -> Bool,
    _ message: @autoclosure () -> String = "",
    file: StaticString = #filePath,
    line: UInt = #line
) { fatalError() }

// swift-format-ignore: AlwaysUseLowerCamelCase
public func XCTAssertFalse(
    _ expression: @autoclosure () throws -> Bool,
    _ message: @autoclosure () -> String = "",
    file: StaticString = #filePath,
    line: UInt = #line
) { fatalError() }

// swift-format-ignore: AlwaysUseLowerCamelCase
public func XCTAssertEqual<T>(
    _ expression1: @autoclosure () throws -> T,
    _ expression2: @autoclosure () throws -> T,
    _ message: @autoclosure () -> String = "",
    file: StaticString = #filePath,
    line: UInt = #line
) where T: Equatable { fatalError() }

// swift-format-ignore: AlwaysUseLowerCamelCase
public func XCTAssertLessThanOrEqual<T>(
    _ expression1: @autoclosure () throws -> T,
    _ expression2: @autoclosure () throws -> T,
    _ message: @autoclosure () -> String = "",
    file: StaticString = #filePath,
    line: UInt = #line
) where T: Comparable { fatalError() }
