import Dispatch
import Glibc
import Synchronization

/// The times of the steps of runs, collected from device events and host clocks.
package final class RunProfile: Sendable {
    /// What a step was.
    package enum Kind: String, Sendable {
        case kernel
        case upload
        case download
        /// A node that the host evaluated.
        case host
        /// A transfer as the device saw it; the host's view of it is an upload or a download.
        case transfer
        /// The host hands kernels to a queue.
        case enqueue
        /// The host waits for a device.
        case wait
        /// A whole request, and the part of it on one device.
        case run
        case stage

        /// Whether the step is work of a layer; the others hold such steps, or show them a second time.
        package var isLayerWork: Bool { [.kernel, .upload, .download, .host].contains(self) }
    }

    /// What ran the step; steps of one track do not overlap unless one holds the other.
    package enum Track: Sendable, Hashable {
        case host(thread: UInt)
        /// A queue of a device, by a number of its own.
        case device(String, queue: Int)

        /// The calling thread.
        package static var currentThread: Track { .host(thread: UInt(pthread_self())) }
    }

    /// One step of one run.
    package struct Entry: Sendable {
        package var kind: Kind
        /// The kernel, the value that was moved, or the stage.
        package var name: String
        /// The tile constants of the kernel; empty where it has none.
        package var variant = ""
        package var node = ""
        package var operatorType = ""
        /// Start and end in nanoseconds of the host's uptime.
        package var started: UInt64
        package var ended: UInt64
        package var operations = 0
        package var bytes = 0
        package var track = Track.currentThread

        package var nanoseconds: UInt64 { ended >= started ? ended - started : 0 }
    }

    private let stored = Mutex<[Entry]>([])

    package init() {}

    package var entries: [Entry] { stored.withLock { $0 } }

    package func append(_ entries: [Entry]) {
        stored.withLock { $0 += entries }
    }

    package func removeAll() {
        stored.withLock { $0 = [] }
    }

    /// The host's uptime in nanoseconds: the clock of all entries.
    package static var now: UInt64 { DispatchTime.now().uptimeNanoseconds }
}

extension RunProfile? {
    /// Calls a closure and notes how long it took, where there is a profile.
    package func measured<Result>(
        _ kind: RunProfile.Kind,
        _ name: String,
        _ body: () throws -> Result
    ) rethrows -> Result {
        guard let self else { return try body() }
        let started = RunProfile.now
        let result = try body()
        self.append([RunProfile.Entry(kind: kind, name: name, started: started, ended: RunProfile.now)])
        return result
    }
}
