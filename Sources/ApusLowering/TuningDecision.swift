package import ApusDevice
import ApusTensor

/// What lowering chose between the variants of a kernel, and what it could have chosen.
package struct TuningDecision: Sendable, Hashable {
    package var key: TuningKey
    package var choice: TuningChoice
    /// Every variant that serves the problem, by expected time; the first one is taken without tuning.
    package var candidates: [TuningChoice]

    /// Takes the tuned variant where there is one that serves the problem, else the first.
    ///
    /// - Parameters:
    ///   - first: what is taken without tuning.
    ///   - others: further variants, by expected time.
    init(_ key: TuningKey, first: TuningChoice, others: [TuningChoice], _ tuning: TuningTable) {
        self.key = key
        var known: Set<TuningChoice> = []
        candidates = ([first] + others).filter { known.insert($0).inserted }
        choice = tuning.choices[key].flatMap { known.contains($0) ? $0 : nil } ?? first
    }
}

extension ElementStorage {
    var elementType: ElementType {
        switch self {
        case .float32: .float32
        case .float16: .float16
        case .bfloat16: .bfloat16
        }
    }
}
