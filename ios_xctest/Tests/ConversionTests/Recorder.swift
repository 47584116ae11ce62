import Foundation
import PEValidateCore
import XCTest

/// The report of this run; written anew with each record to the file that `PE_VALIDATE_REPORT` names.
@MainActor
enum Recorder {
    private static var report = Report(device: .current)

    fileprivate static func add(_ record: Report.Record) throws {
        report.records.append(record)
        guard let path = Fixtures.environment("PE_VALIDATE_REPORT") else { return }
        try report.json().write(to: URL(fileURLWithPath: path), options: .atomic)
    }
}

// Test methods that are not asynchronous run on the main thread.
extension XCTestCase {
    /// Put a record into the report and beside this test's own log.
    func add(_ record: Report.Record) throws {
        try MainActor.assumeIsolated { try Recorder.add(record) }
        #if canImport(Darwin)
            let attachment = XCTAttachment(
                data: try Report(device: .current, records: [record]).json(),
                uniformTypeIdentifier: "public.json"
            )
            attachment.name = "\(record.case) \(record.test).json"
            attachment.lifetime = .keepAlways
            add(attachment)
        #endif
    }

    /// A named part of this test, where its log has such.
    func activity<Result: Sendable>(_ name: String, _ body: () throws -> Result) throws -> Result {
        #if canImport(Darwin)
            return try withoutActuallyEscaping(body) { body in
                nonisolated(unsafe) let body = body
                return try MainActor.assumeIsolated { try XCTContext.runActivity(named: name) { _ in try body() } }
            }
        #else
            return try body()
        #endif
    }
}

extension DeviceState {
    static var now: DeviceState { MainActor.assumeIsolated { .current() } }
}
