import Dispatch
import Glibc

private let processorCount = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))

/// Calls a closure with disjoint ranges that cover `0..<count`, on all cores; returns when all calls have.
///
/// - Parameters:
///   - grain: the fewest iterations worth a call of its own; ranges start at multiples of it.
///   - body: called at the same time from several threads; it must write to disjoint memory.
package func parallelFor(_ count: Int, grain: Int = 1, _ body: (Range<Int>) -> Void) {
    guard count > 0 else { return }
    let grain = max(grain, 1)
    let units = (count - 1) / grain + 1
    let unitsPerCall = max(1, units / (processorCount * 4))
    let calls = (units - 1) / unitsPerCall + 1
    guard calls > 1, processorCount > 1 else { return body(0..<count) }
    withoutActuallyEscaping(body) { body in
        let shared = SharedBody(call: body)
        DispatchQueue.concurrentPerform(iterations: calls) { call in
            let start = call * unitsPerCall * grain
            let length = unitsPerCall * grain
            shared.call(start..<(count - start <= length ? count : start + length))
        }
    }
}

/// Carries a closure to other threads that end before it does.
private struct SharedBody: @unchecked Sendable {
    let call: (Range<Int>) -> Void
}
