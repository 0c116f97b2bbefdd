import Synchronization

/// The times of the steps of runs, collected from device events and host clocks.
package final class RunProfile: Sendable {
    /// What a step was.
    package enum Kind: String, Sendable {
        case kernel
        case upload
        case download
        case host
    }

    /// One step of one run.
    package struct Entry: Sendable {
        package var kind: Kind
        /// The kernel, or the value that was moved.
        package var name: String
        /// The tile constants of the kernel; empty where it has none.
        package var variant = ""
        package var node: String
        package var operatorType: String
        /// Start and end in nanoseconds of one clock for device steps, of another for host steps.
        package var started: UInt64
        package var ended: UInt64
        package var operations: Int
        package var bytes: Int

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
}
