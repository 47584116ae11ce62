import Foundation

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#endif
#if canImport(UIKit)
    import UIKit
#endif

/// Levels of `ProcessInfo.ThermalState`, from cool to hot.
public enum ThermalState: String, Codable, Comparable, CaseIterable, Sendable {
    case nominal, fair, serious, critical

    public static func < (a: ThermalState, b: ThermalState) -> Bool {
        allCases.firstIndex(of: a)! < allCases.firstIndex(of: b)!
    }

    /// Whether the system slows its processors down.
    public var isThrottled: Bool { self >= .serious }
}

/// Which machine this is.
public struct Device: Codable, Equatable, Sendable {
    /// Such as `iPhone15,2`; the processor's architecture where there is no such name.
    public let model: String
    public let system: String
    public let isSimulator: Bool

    /// Whether milliseconds of this machine are those of an iPhone.
    public var isPhone: Bool { model.hasPrefix("iPhone") && !isSimulator }

    public init(model: String, system: String, isSimulator: Bool = false) {
        (self.model, self.system, self.isSimulator) = (model, system, isSimulator)
    }

    public static let current: Device = {
        var name = utsname()
        uname(&name)
        let machine = withUnsafeBytes(of: name.machine) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        #if targetEnvironment(simulator)
            let simulated = ProcessInfo.processInfo.environment["SIMULATOR_MODEL_IDENTIFIER"]
        #else
            let simulated: String? = nil
        #endif
        let system = ProcessInfo.processInfo.operatingSystemVersionString
        return Device(model: simulated ?? machine, system: system, isSimulator: simulated != nil)
    }()
}

/// What may slow a device down, at one moment; nil where it does not tell.
public struct DeviceState: Codable, Equatable, Sendable {
    public let thermalState: ThermalState?
    /// From 0 to 1.
    public let battery: Double?
    public let isLowPowerMode: Bool?

    public init(thermalState: ThermalState?, battery: Double?, isLowPowerMode: Bool?) {
        (self.thermalState, self.battery, self.isLowPowerMode) = (thermalState, battery, isLowPowerMode)
    }

    @MainActor public static func current() -> DeviceState {
        #if canImport(UIKit)
            let device = UIDevice.current
            device.isBatteryMonitoringEnabled = true
            return DeviceState(
                thermalState: ThermalState(ProcessInfo.processInfo.thermalState),
                battery: device.batteryLevel < 0 ? nil : Double(device.batteryLevel),
                isLowPowerMode: ProcessInfo.processInfo.isLowPowerModeEnabled
            )
        #else
            return DeviceState(thermalState: nil, battery: nil, isLowPowerMode: nil)
        #endif
    }

    /// Why timings between two moments say nothing of a cool device at full power, or nil.
    public static func throttling(from before: DeviceState, to after: DeviceState) -> String? {
        for (moment, state) in [("before", before), ("after", after)] {
            if let heat = state.thermalState, heat.isThrottled { return "the thermal state was \(heat) \(moment) it" }
            if state.isLowPowerMode == true { return "low-power mode was on \(moment) it" }
        }
        return nil
    }
}

#if canImport(UIKit)
    extension ThermalState {
        public init(_ state: ProcessInfo.ThermalState) {
            switch state {
            case .nominal: self = .nominal
            case .fair: self = .fair
            case .serious: self = .serious
            case .critical: self = .critical
            @unknown default: self = .critical
            }
        }
    }
#endif
