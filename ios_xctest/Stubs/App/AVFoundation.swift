// swift-format-ignore-file
// The names are Apple's, and not all in camel case.
// What the app uses of Apple's modules AVFoundation, CoreMedia, CoreVideo and QuartzCore, for type-checking where there are none.
// Declared after developer.apple.com/documentation/avfoundation.
@_exported import Foundation

public typealias CVReturn = Int32
public let kCVReturnSuccess: CVReturn = 0
public let kCVPixelFormatType_32BGRA: UInt32 = 0x4247_5241
/// A string of Core Foundation in truth, which `as String` bridges.
public let kCVPixelBufferPixelFormatTypeKey: String = "PixelFormatType"

public class CVBuffer {}
public typealias CVPixelBuffer = CVBuffer
public typealias CVImageBuffer = CVBuffer

public struct CVPixelBufferLockFlags: OptionSet, Sendable {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    public static let readOnly = CVPixelBufferLockFlags(rawValue: 1)
}

public func CVPixelBufferGetWidth(_ buffer: CVPixelBuffer) -> Int { 0 }
public func CVPixelBufferGetHeight(_ buffer: CVPixelBuffer) -> Int { 0 }
public func CVPixelBufferGetBytesPerRow(_ buffer: CVPixelBuffer) -> Int { 0 }
public func CVPixelBufferGetBaseAddress(_ buffer: CVPixelBuffer) -> UnsafeMutableRawPointer? { nil }
public func CVPixelBufferLockBaseAddress(_ buffer: CVPixelBuffer, _ flags: CVPixelBufferLockFlags) -> CVReturn { 0 }
@discardableResult
public func CVPixelBufferUnlockBaseAddress(_ buffer: CVPixelBuffer, _ flags: CVPixelBufferLockFlags) -> CVReturn { 0 }

public class CMSampleBuffer {}

public struct CMTime: Sendable {
    public var seconds: Double { 0 }
}

public func CMSampleBufferGetImageBuffer(_ buffer: CMSampleBuffer) -> CVImageBuffer? { nil }
public func CMSampleBufferGetPresentationTimeStamp(_ buffer: CMSampleBuffer) -> CMTime { CMTime() }

public struct AVMediaType: Sendable {
    public static let video = AVMediaType()
}

public class AVCaptureDevice {
    public struct DeviceType: Sendable {
        public static let builtInWideAngleCamera = DeviceType()
    }

    public enum Position: Int, Sendable {
        case unspecified, back, front
    }

    public class func requestAccess(for mediaType: AVMediaType) async -> Bool { false }

    public class func `default`(
        _ deviceType: DeviceType,
        for mediaType: AVMediaType?,
        position: Position
    ) -> AVCaptureDevice? { nil }
}

open class AVCaptureInput {}

public class AVCaptureDeviceInput: AVCaptureInput {
    public init(device: AVCaptureDevice) throws {}
}

open class AVCaptureOutput {
    public func connection(with mediaType: AVMediaType) -> AVCaptureConnection? { nil }
}

public class AVCaptureConnection {
    public func isVideoRotationAngleSupported(_ angle: CGFloat) -> Bool { false }
    public var videoRotationAngle: CGFloat = 0
}

public protocol AVCaptureVideoDataOutputSampleBufferDelegate: NSObjectProtocol {
    func captureOutput(
        _ output: AVCaptureOutput,
        didOutput sampleBuffer: CMSampleBuffer,
        from connection: AVCaptureConnection
    )
}

public class AVCaptureVideoDataOutput: AVCaptureOutput {
    public override init() {}
    public var videoSettings: [String: Any]! = nil
    public var alwaysDiscardsLateVideoFrames = true
    public func setSampleBufferDelegate(
        _ delegate: (any AVCaptureVideoDataOutputSampleBufferDelegate)?,
        queue: DispatchQueue?
    ) {}
}

public class AVCaptureSession {
    public struct Preset: Sendable {
        public static let hd1280x720 = Preset()
    }

    public init() {}
    public var sessionPreset = Preset()
    public var inputs: [AVCaptureInput] { [] }
    public func canAddInput(_ input: AVCaptureInput) -> Bool { false }
    public func canAddOutput(_ output: AVCaptureOutput) -> Bool { false }
    public func addInput(_ input: AVCaptureInput) {}
    public func addOutput(_ output: AVCaptureOutput) {}
    public func beginConfiguration() {}
    public func commitConfiguration() {}
    public func startRunning() {}
    public func stopRunning() {}
}

public struct AVLayerVideoGravity: Sendable {
    public static let resizeAspectFill = AVLayerVideoGravity()
}

@preconcurrency @MainActor open class CALayer {
    public init() {}
}

public class AVCaptureVideoPreviewLayer: CALayer {
    public weak var session: AVCaptureSession?
    public var videoGravity = AVLayerVideoGravity()
}
