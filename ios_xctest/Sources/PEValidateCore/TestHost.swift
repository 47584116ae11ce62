/// Whether a process was started to run tests in, by its environment.
///
/// XCTest tells what it is to run in variables that begin with its name; which of them are set differs between phones and
/// simulators.
public func isTestHost(environment: [String: String]) -> Bool {
    environment.keys.contains { $0.hasPrefix("XCTest") }
}
