/// What measurement chose for a kernel family, by problem; lowering falls back to its own rank where nothing is stored.
package struct TuningTable: Sendable, Hashable {
    /// Values of tunables by problem key, such as `["MR": 14, "NR": 32]`.
    package var choices: [String: [String: Int]]
    /// Variants that did not build or disagreed with the reference on this device: an operator and a kernel.
    package private(set) var refusedVariants: Set<String>

    package init(choices: [String: [String: Int]] = [:]) {
        self.choices = choices
        refusedVariants = []
    }

    /// Keeps lowering from a kernel.
    ///
    /// - Parameters:
    ///   - operatorType: the operator as messages show it.
    ///   - variant: the kernel file, or the name of a generated kernel.
    package mutating func refuse(_ operatorType: String, _ variant: String) {
        refusedVariants.insert("\(operatorType) \(variant)")
    }

    package func refuses(_ operatorType: String, _ variant: String) -> Bool {
        !refusedVariants.isEmpty && refusedVariants.contains("\(operatorType) \(variant)")
    }

    /// Whether one of the refused kernels is wholly generated.
    package var refusesGeneratedKernels: Bool { refusedVariants.contains { !$0.hasSuffix(".cl") } }
}
