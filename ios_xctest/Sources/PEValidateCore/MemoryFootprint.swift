import Foundation

#if canImport(Darwin)
    // Without it `mach_task_self_`, a variable of C that nobody writes, may not be read.
    @preconcurrency import Darwin
#endif

/// What this process holds of the machine's memory.
public enum MemoryFootprint {
    /// Bytes: `phys_footprint` on Apple's systems, by which iOS ends an app; the resident set on Linux.
    ///
    /// - Returns: nil when the system does not tell.
    public static func current() -> Int? {
        #if canImport(Darwin)
            var info = task_vm_info_data_t()
            let words = MemoryLayout<task_vm_info_data_t>.size / MemoryLayout<natural_t>.size
            var count = mach_msg_type_number_t(words)
            let result = withUnsafeMutablePointer(to: &info) { pointer in
                pointer.withMemoryRebound(to: integer_t.self, capacity: words) {
                    task_info(mach_task_self_, task_flavor_t(TASK_VM_INFO), $0, &count)
                }
            }
            return result == KERN_SUCCESS ? Int(info.phys_footprint) : nil
        #else
            return resident(status: (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? "")
        #endif
    }

    /// `VmRSS` of the text of Linux's `/proc/…/status`, in bytes.
    static func resident(status: String) -> Int? {
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        return line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 }
    }
}
