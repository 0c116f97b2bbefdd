import ApusGraph
import ApusTensor
import Synchronization

/// Prepared plans by input types, the least recently used one dropped first.
final class PlanCache: Sendable {
    /// A value that a plan is bound to.
    struct KnownValue: Hashable, Sendable {
        var id: ValueID
        var type: TensorType
        var bytes: [UInt8]

        init(id: ValueID, _ tensor: Tensor) {
            self.id = id
            type = tensor.type
            bytes = tensor.withUnsafeBytes { Array($0) }
        }
    }

    /// Which part of a model a plan covers, and the values and types it is bound to.
    struct Key: Hashable, Sendable {
        /// 0 for the model itself, 1 for what follows its first cut, and so on.
        var part: Int
        var known: [KnownValue]
        var inputs: [TensorType?]
    }

    private struct Entry {
        var plan: PreparedPlan
        var lastUse: Int
    }

    private struct State {
        var entries: [Key: Entry] = [:]
        var clock = 0
        var hits = 0
        var misses = 0
    }

    private let state = Mutex(State())
    private let building = Mutex(())
    private let capacity: Int

    init(capacity: Int) { self.capacity = max(capacity, 1) }

    /// How often a plan was found, and how often one had to be made.
    var counts: (hits: Int, misses: Int) { state.withLock { ($0.hits, $0.misses) } }

    /// The plan of a key, made by `make` if there is none; plans are made one at a time.
    func plan(_ key: Key, make: () throws -> PreparedPlan) throws -> PreparedPlan {
        if let found = find(key, counting: true) { return found }
        return try building.withLock { _ in
            if let found = find(key, counting: false) { return found }
            let made = try make()
            state.withLock { state in
                state.clock += 1
                state.misses += 1
                state.entries[key] = Entry(plan: made, lastUse: state.clock)
                while state.entries.count > capacity,
                    let oldest = state.entries.min(by: { $0.value.lastUse < $1.value.lastUse })
                {
                    state.entries[oldest.key] = nil
                }
            }
            return made
        }
    }

    private func find(_ key: Key, counting: Bool) -> PreparedPlan? {
        state.withLock { state in
            guard let entry = state.entries[key] else { return nil }
            state.clock += 1
            state.entries[key]?.lastUse = state.clock
            if counting { state.hits += 1 }
            return entry.plan
        }
    }
}
