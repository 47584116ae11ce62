import Dispatch

/// The answer of asynchronous work, for which the calling thread waits.
///
/// The work runs on a thread of its own choice: it must not need the one that waits, such as the main actor's.
///
/// - Throws: What the work throws.
public func waiting<Answer: Sendable>(for work: @escaping @Sendable () async throws -> Answer) throws -> Answer {
    let found = Found<Answer>()
    let done = DispatchSemaphore(value: 0)
    Task.detached(priority: .high) {
        do { found.result = .success(try await work()) } catch { found.result = .failure(error) }
        done.signal()
    }
    done.wait()
    guard let result = found.result else { throw PEValidateError("work ended without an answer") }
    return try result.get()
}

/// Written before the semaphore is signalled, and read after.
private final class Found<Answer>: @unchecked Sendable {
    var result: Result<Answer, any Error>?
}
