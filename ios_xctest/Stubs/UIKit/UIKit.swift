// What DeviceState uses of UIKit, and of Foundation as it is on Apple's systems.
@_exported import Foundation

@MainActor open class UIDevice {
    open class var current: UIDevice { fatalError() }
    open var isBatteryMonitoringEnabled: Bool {
        get { fatalError() }
        set { fatalError() }
    }
    open var batteryLevel: Float { fatalError() }
}

extension ProcessInfo {
    public enum ThermalState: Int, Sendable {
        case nominal, fair, serious, critical
    }

    public var thermalState: ThermalState { fatalError() }
    public var isLowPowerModeEnabled: Bool { fatalError() }
}
