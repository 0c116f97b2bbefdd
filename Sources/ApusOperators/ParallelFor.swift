import Dispatch
import Glibc
import Synchronization

private let processorCount = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
private let threadLimit = Atomic<Int>(Int.max)

/// Bounds the threads of each later `parallelFor` of the process; the cores of the machine bound them anyway.
package func limitThreads(_ count: Int) {
    threadLimit.store(max(count, 1), ordering: .relaxed)
}

/// Calls a closure with disjoint ranges that cover `0..<count`, on all cores; returns when all calls have.
///
/// - Parameters:
///   - grain: the fewest iterations worth a call of its own; ranges start at multiples of it.
///   - body: called at the same time from several threads; it must write to disjoint memory.
package func parallelFor(_ count: Int, grain: Int = 1, _ body: (Range<Int>) -> Void) {
    guard count > 0 else { return }
    let grain = max(grain, 1)
    let units = (count - 1) / grain + 1
    let threads = min(processorCount, threadLimit.load(ordering: .relaxed))
    let unitsPerCall = max(1, units / (threads * 4))
    let calls = (units - 1) / unitsPerCall + 1
    guard calls > 1, threads > 1 else { return body(0..<count) }
    withoutActuallyEscaping(body) { body in
        let shared = SharedBody(call: body)
        let next = Atomic<Int>(0)
        DispatchQueue.concurrentPerform(iterations: min(threads, calls)) { _ in
            while true {
                let call = next.add(1, ordering: .relaxed).oldValue
                guard call < calls else { break }
                let start = call * unitsPerCall * grain
                let length = unitsPerCall * grain
                shared.call(start..<(count - start <= length ? count : start + length))
            }
        }
    }
}

/// Carries a closure to other threads that end before it does.
private struct SharedBody: @unchecked Sendable {
    let call: (Range<Int>) -> Void
}
