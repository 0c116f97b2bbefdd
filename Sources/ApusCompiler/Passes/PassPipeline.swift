package import ApusGraph
package import ApusTensor

/// Passes that run one after another, each checked against the invariants of a graph.
package struct PassPipeline: Sendable {
    package var passes: [GraphPass]

    package init(_ passes: [GraphPass]) {
        self.passes = passes
    }

    /// The passes that need no shapes: once a model.
    package static let shapeFree = PassPipeline(
        [.shape, .constantsBesideQuantized, .controlFlow, .constantsBesideQuantized, .identity, .quantization]
            + [.constants, .transpose, .identity, .pad, .batchNormalization, .layerNormalization, .gelu, .deadCode]
    )

    /// The passes that need no shapes, for a model that is run in a precision of its own: see `GraphPass.precision`.
    package static func shapeFree(precision: ElementType?) -> PassPipeline {
        PassPipeline(shapeFree.passes + (precision.map { [.precision($0), .deadCode] } ?? []))
    }

    /// The passes over bound shapes: once a plan, with `PassContext.types`.
    package static let bound = PassPipeline(
        folding + [.einsum, .identity, .transpose, .identity, .pad, .batchNormalization, .layerNormalization, .gelu]
            + [.castNormalization, .attention, .integerScale, .deadCode] + [
                .epilogue, .pointwise, .epilogue, .deadCode, .depthwise, .scale, .winograd,
            ]
    )

    private static let folding: [GraphPass] = [.shape, .constants, .controlFlow, .constants]

    /// Every pass that can be disabled, in the order of its first run.
    package static let standard: [GraphPass] = {
        var names: Set<String> = []
        return (shapeFree.passes + bound.passes).filter { names.insert($0.name).inserted }
    }()

    /// What can be disabled like a pass, though it comes after the passes: launches one after another run as one
    /// persistent kernel.
    package static let persistent = "persistent"

    /// Checks names given by a user.
    ///
    /// - Throws: `ModelError` with code `invalidInput` that lists the names, if one is no pass.
    package static func check(disabled: Set<String>) throws(ModelError) {
        let names = standard.map(\.name) + [persistent]
        let unknown = disabled.subtracting(names).sorted()
        guard unknown.isEmpty else {
            throw ModelError(
                .invalidInput,
                "there is no pass \(unknown.map { "\"\($0)\"" }.joined(separator: ", ")); the passes are "
                    + names.joined(separator: ", ")
            )
        }
    }

    /// Runs the passes.
    ///
    /// - Parameters:
    ///   - disabled: names of passes to leave out.
    ///   - report: called after each pass with what it changed.
    /// - Throws: `ModelError` with code `invalidInput` if a disabled name is no pass, `invalidModel` if the graph breaks
    ///   an invariant.
    package func run(
        _ graph: Graph,
        disabled: Set<String> = [],
        context: PassContext = PassContext(),
        report: (PassReport) -> Void = { _ in }
    ) throws(ModelError) -> Graph {
        try Self.check(disabled: disabled)
        try graph.validated(after: "import")
        var graph = graph
        for pass in passes where !disabled.contains(pass.name) {
            let result = try pass.run(graph, context)
            try result.validated(after: pass.name)
            report(PassReport(pass: pass.name, before: graph, after: result))
            graph = result
        }
        return graph
    }
}

extension BoundGraph {
    /// The graph after the passes over bound shapes, the types of new values included.
    ///
    /// - Throws: `ModelError` as `PassPipeline.run` does.
    package func optimized(
        disabled: Set<String> = [],
        context: PassContext = PassContext(),
        report: (PassReport) -> Void = { _ in }
    ) throws(ModelError) -> BoundGraph {
        var context = context
        context.types = types
        var result = self
        result.graph = try PassPipeline.bound.run(graph, disabled: disabled, context: context, report: report)
        result.types = KnownTypes(result.graph, context).types
        return result
    }
}
