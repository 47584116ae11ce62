import Dispatch
import Foundation

/// One camera frame, whose bytes can be read on another thread than the camera's.
public protocol Frame: Sendable {
    var width: Int { get }
    var height: Int { get }
    var format: ImagePreprocessor.PixelFormat { get }

    /// Read four bytes for each pixel, rows from the top.
    ///
    /// - Parameter body: Told the bytes, and the distance from one row to the next.
    /// - Throws: `PEValidateError` when there are none, and what `body` throws.
    func withBytes<Result>(_ body: (UnsafeRawBufferPointer, Int) throws -> Result) throws -> Result
}

/// Camera frames → labels, on a queue of its own, one frame at a time.
///
/// A frame that comes while another is at work is dropped and never queued: what is shown is as old as one inference.
public final class LiveClassifier: @unchecked Sendable {
    /// What one frame gave; times are milliseconds.
    public struct Reading: Sendable {
        /// The nearest first; none without a table of classes.
        public let matches: [Classifier.Match]
        public let preprocessing: Double
        public let inference: Double
    }

    /// Frames that were offered until now.
    public struct Counts: Equatable, Sendable {
        public let taken: Int
        /// Dropped, because an inference was at work.
        public let late: Int
        /// Dropped, because the next one was not due.
        public let early: Int
    }

    public static let labels = 3

    // Of what changes, the pacer is touched under the lock, and runtime and preprocessor on the queue alone.
    private let lock = NSLock()
    private var pacer: FramePacer
    private let queue = DispatchQueue(label: "org.pevalidate.inference", qos: .userInitiated)
    private let runtime: any ModelRuntime
    private var preprocessor: ImagePreprocessor?
    private let classifier: Classifier?
    private let size: Int

    /// - Parameters:
    ///   - runtime: Used by nobody else from now on.
    ///   - classifier: Names what is seen; without one only times are given.
    /// - Throws: `PEValidateError` when the model does not take one square image, or the table is of other features.
    public init(
        runtime: sending any ModelRuntime,
        classifier: Classifier?,
        pacer: FramePacer = FramePacer()
    ) throws {
        let shape = runtime.input.shape
        guard shape.count == 4, shape[0] == 1, shape[1] == 3, shape[2] == shape[3], shape[2] > 0 else {
            throw PEValidateError("A model with input \(runtime.input) cannot be shown camera frames.")
        }
        if let classifier, classifier.dimension != runtime.output.count {
            throw PEValidateError(
                "The class embeddings have \(classifier.dimension) values and the model's features \(runtime.output.count): "
                    + "bundle a table of the same model."
            )
        }
        (self.runtime, self.classifier, self.pacer, size) = (runtime, classifier, pacer, shape[2])
    }

    public var counts: Counts {
        lock.withLock { Counts(taken: pacer.taken, late: pacer.late, early: pacer.early) }
    }

    /// Take a frame, or drop it; returns at once.
    ///
    /// - Parameters:
    ///   - time: Seconds of the camera's clock.
    ///   - deliver: Called on the queue of inferences, once for each frame that was taken.
    /// - Returns: Whether it was taken.
    @discardableResult
    public func offer(
        _ frame: any Frame,
        at time: Double,
        thermalState: ThermalState,
        deliver: @escaping @Sendable (Result<Reading, any Error>) -> Void
    ) -> Bool {
        let isTaken = lock.withLock {
            pacer.thermalState = thermalState
            return pacer.take(at: time)
        }
        guard isTaken else { return false }
        queue.async { [self] in
            let result = Result { try read(frame) }
            lock.withLock { pacer.finish() }
            deliver(result)
        }
        return true
    }

    private func read(_ frame: any Frame) throws -> Reading {
        let preprocess = preprocessor(width: frame.width, height: frame.height)
        let image = try timed {
            try frame.withBytes { try preprocess($0, bytesPerRow: $1, format: frame.format) }
        }
        let features = try timed { try runtime.run(.floats(image.result)) }
        return Reading(
            matches: try classifier?.classify(features.result, count: Self.labels) ?? [],
            preprocessing: image.milliseconds,
            inference: features.milliseconds
        )
    }

    /// That of the last frame, unless this one has another size.
    private func preprocessor(width: Int, height: Int) -> ImagePreprocessor {
        if let preprocessor, preprocessor.width == width, preprocessor.height == height { return preprocessor }
        let made = ImagePreprocessor(width: width, height: height, size: size)
        preprocessor = made
        return made
    }
}
