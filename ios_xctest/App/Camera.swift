import AVFoundation
import PEValidateCore

/// The back camera, upright, as BGRA frames.
///
/// The session is configured, started and stopped on `queue`, where frames come out, too: each of these blocks.
final class Camera: NSObject, AVCaptureVideoDataOutputSampleBufferDelegate, @unchecked Sendable {
    let session = AVCaptureSession()
    private let queue = DispatchQueue(label: "org.pevalidate.camera", qos: .userInitiated)
    private let receive: @Sendable (PixelBufferFrame, Double) -> Void

    private static let upright: CGFloat = 90

    /// - Parameter receive: Told of each frame and of its time in seconds, on the camera's queue; it must return soon.
    init(receive: @escaping @Sendable (PixelBufferFrame, Double) -> Void) {
        self.receive = receive
    }

    /// - Throws: `PEValidateError` when there is no camera, or it may not be used.
    func start() async throws {
        guard await AVCaptureDevice.requestAccess(for: .video) else {
            throw PEValidateError("The camera may not be used: allow it in Settings, Privacy & Security, Camera.")
        }
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            queue.async { [self] in
                continuation.resume(
                    with: Result {
                        if session.inputs.isEmpty { try configure() }
                        session.startRunning()
                    }
                )
            }
        }
    }

    func stop() {
        queue.async { [self] in session.stopRunning() }
    }

    private func configure() throws {
        guard let device = AVCaptureDevice.default(.builtInWideAngleCamera, for: .video, position: .back) else {
            throw PEValidateError("There is no camera on the back of this device.")
        }
        let input = try AVCaptureDeviceInput(device: device)
        let output = AVCaptureVideoDataOutput()
        output.videoSettings = [kCVPixelBufferPixelFormatTypeKey as String: kCVPixelFormatType_32BGRA]
        output.alwaysDiscardsLateVideoFrames = true
        output.setSampleBufferDelegate(self, queue: queue)
        session.beginConfiguration()
        defer { session.commitConfiguration() }
        session.sessionPreset = .hd1280x720
        guard session.canAddInput(input), session.canAddOutput(output) else {
            throw PEValidateError("The camera gives no frames that can be read.")
        }
        session.addInput(input)
        session.addOutput(output)
        if let connection = output.connection(with: .video),
            connection.isVideoRotationAngleSupported(Self.upright)
        {
            connection.videoRotationAngle = Self.upright
        }
    }

    func captureOutput(
        _ output: AVCaptureOutput,
        didOutput sampleBuffer: CMSampleBuffer,
        from connection: AVCaptureConnection
    ) {
        guard let buffer = CMSampleBufferGetImageBuffer(sampleBuffer) else { return }
        receive(PixelBufferFrame(buffer: buffer), CMSampleBufferGetPresentationTimeStamp(sampleBuffer).seconds)
    }
}

/// A frame of the camera, kept until it was read. Its pixels do not change any more, so any thread may read them.
struct PixelBufferFrame: Frame, @unchecked Sendable {
    let buffer: CVPixelBuffer

    var width: Int { CVPixelBufferGetWidth(buffer) }
    var height: Int { CVPixelBufferGetHeight(buffer) }
    var format: ImagePreprocessor.PixelFormat { .bgra }

    func withBytes<Result>(_ body: (UnsafeRawBufferPointer, Int) throws -> Result) throws -> Result {
        guard CVPixelBufferLockBaseAddress(buffer, .readOnly) == kCVReturnSuccess else {
            throw PEValidateError("A frame of the camera cannot be read.")
        }
        defer { CVPixelBufferUnlockBaseAddress(buffer, .readOnly) }
        guard let base = CVPixelBufferGetBaseAddress(buffer) else {
            throw PEValidateError("A frame of the camera has no pixels.")
        }
        let stride = CVPixelBufferGetBytesPerRow(buffer)
        return try body(UnsafeRawBufferPointer(start: base, count: stride * height), stride)
    }
}
