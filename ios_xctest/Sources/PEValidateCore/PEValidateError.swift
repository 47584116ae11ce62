import Foundation

/// What could not be done: one sentence saying what, where and what to do.
public struct PEValidateError: Error, Equatable, CustomStringConvertible, LocalizedError {
    public let description: String
    public var errorDescription: String? { description }

    public init(_ description: String) {
        self.description = description
    }
}
