/// What measurement chose for a kernel family, by problem; lowering falls back to its own rank where nothing is stored.
package struct TuningTable: Sendable, Hashable {
    /// Values of tunables by problem key, such as `["MR": 14, "NR": 32]`.
    package var choices: [String: [String: Int]]
    /// Variants that did not build or disagreed with the reference on this device.
    package var refusedVariants: Set<String>

    package init(choices: [String: [String: Int]] = [:], refusedVariants: Set<String> = []) {
        self.choices = choices
        self.refusedVariants = refusedVariants
    }
}
