/// Says which camera frames are worth an inference: 30 in a second, none while another is at work, fewer when hot.
///
/// A frame that is not taken is gone: nothing is queued, so what is on screen is never older than one inference. Times
/// are seconds of any clock that never goes back.
public struct FramePacer: Sendable {
    public let framesPerSecond: Double
    public var thermalState: ThermalState
    public private(set) var taken = 0
    /// Frames that came while an inference was at work.
    public private(set) var late = 0
    /// Frames that came before the next one was due.
    public private(set) var early = 0
    private var busy = false
    private var due = -Double.infinity

    public init(framesPerSecond: Double = 30, thermalState: ThermalState = .nominal) {
        (self.framesPerSecond, self.thermalState) = (framesPerSecond, thermalState)
    }

    /// Seconds from one frame to the next, at the present heat.
    public var interval: Double {
        switch thermalState {
        case .nominal, .fair: 1 / framesPerSecond
        case .serious: 2 / framesPerSecond
        case .critical: 6 / framesPerSecond
        }
    }

    /// Whether to infer the frame that came at `time`; when it says so, `finish()` must follow.
    public mutating func take(at time: Double) -> Bool {
        if busy {
            late += 1
            return false
        }
        // Cameras are not punctual: a frame that is a little early is the one that was meant.
        guard time >= due - 0.25 / framesPerSecond else {
            early += 1
            return false
        }
        due = time - due > interval ? time + interval : due + interval
        busy = true
        taken += 1
        return true
    }

    /// The inference of the frame that was taken is over.
    public mutating func finish() {
        busy = false
    }
}
