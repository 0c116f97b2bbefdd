import ApusTensor
import Dispatch
import Synchronization

/// Lets one run at a time use a device, in the order of arrival.
///
/// Requests that shared a device would all end its stage at the same time and leave the other devices idle till then.
final class DeviceTurn: Sendable {
    private final class Waiter: Sendable {
        let semaphore = DispatchSemaphore(value: 0)
    }

    private struct State {
        var isTaken = false
        var waiters: [Waiter] = []
    }

    private let state = Mutex(State())

    /// Calls a closure when the device is free.
    ///
    /// - Throws: `ModelError` with code `cancelled` if that happens, or the deadline passes, before; what `body` throws.
    func taking<Result>(_ options: RunOptions, _ body: () throws -> Result) throws -> Result {
        let waiter: Waiter? = state.withLock { state in
            if !state.isTaken {
                state.isTaken = true
                return nil
            }
            let waiter = Waiter()
            state.waiters.append(waiter)
            return waiter
        }
        if let waiter { try wait(waiter, options) }
        defer { pass() }
        return try body()
    }

    private func wait(_ waiter: Waiter, _ options: RunOptions) throws {
        while waiter.semaphore.wait(timeout: .now() + .milliseconds(5)) == .timedOut {
            do {
                try options.checkCancellation()
            } catch {
                let isListed = state.withLock { state in
                    let index = state.waiters.firstIndex { $0 === waiter }
                    if let index { state.waiters.remove(at: index) }
                    return index != nil
                }
                // Not listed any more: the turn came at the same moment and has to go on to the next.
                if !isListed { pass() }
                throw error
            }
        }
    }

    private func pass() {
        state.withLock { state in
            if state.waiters.isEmpty {
                state.isTaken = false
            } else {
                state.waiters.removeFirst().semaphore.signal()
            }
        }
    }
}
