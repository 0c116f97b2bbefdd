/// What measurement chose for a kernel family, by problem; lowering falls back to its own rank where nothing is stored.
package struct TuningTable: Sendable, Hashable {
    /// Variants by problem; lowering leaves out those that cannot serve the problem.
    package var choices: [TuningKey: TuningChoice]
    /// Forces a tile of that size of Winograd's algorithm on every convolution that can have it, 0 none; `nil` leaves it
    /// to the choices and the rank.
    package var winogradTile: Int?
    /// Whether a convolution takes in the depthwise convolution behind it wherever a kernel serves, or nowhere; `nil`
    /// leaves it to the rank.
    package var fusesDepthwise: Bool?
    /// Variants that did not build or disagreed with the reference on this device: an operator and a kernel.
    package private(set) var refusedVariants: Set<String>

    package init(choices: [TuningKey: TuningChoice] = [:], winogradTile: Int? = nil, fusesDepthwise: Bool? = nil) {
        self.choices = choices
        self.winogradTile = winogradTile
        self.fusesDepthwise = fusesDepthwise
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
