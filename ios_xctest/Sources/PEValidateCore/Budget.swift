/// How long an artifact may take on a device.
public struct Budget: Codable, Equatable, Sendable {
    public let target: String
    public let precision: String
    /// The beginning of a device's model identifier: `iPhone` for any, `iPhone15,2` for one.
    public let device: String
    public let milliseconds: Double
    public let label: String?
}

extension Manifest {
    /// The budget of `artifact` on a device; of several the one that names the device most exactly.
    ///
    /// - Parameter device: A model identifier such as `iPhone15,2`.
    public func budget(for artifact: Artifact, on device: String) -> Budget? {
        (budgets?[artifact.model] ?? [])
            .filter { $0.target == artifact.target && $0.precision == artifact.precision && $0.applies(to: device) }
            .max { $0.device.count < $1.device.count }
    }
}

extension Budget {
    /// `iPhone15,2` is not `iPhone15,20`.
    fileprivate func applies(to identifier: String) -> Bool {
        guard identifier.hasPrefix(device) else { return false }
        let rest = identifier.dropFirst(device.count)
        return !(device.last?.isNumber ?? false) || !(rest.first?.isNumber ?? false)
    }
}
