import ApusDevice
package import ApusGraph
package import ApusLowering
package import ApusOperators
package import ApusTensor

/// Which nodes may run on the host when no kernel serves them.
package enum FallbackPolicy: String, Sendable, CaseIterable {
    /// Single nodes.
    case node
    /// The whole model, or nothing.
    case device
    /// None: the plan is refused.
    case never
}

/// Turns a bound graph into a plan: layouts, launches, the load phase and memory.
package struct PlanBuilder: Sendable {
    package var context: LoweringContext
    package var table: OperatorTable
    package var lowerings: LoweringTable
    package var fallback: FallbackPolicy
    /// Where not 0, blocks of the arena are this many bytes apart and never share memory.
    package var guardBytes = 0

    package init(
        context: LoweringContext,
        table: OperatorTable = .standard,
        lowerings: LoweringTable = .standard,
        fallback: FallbackPolicy = .node
    ) {
        self.context = context
        self.table = table
        self.lowerings = lowerings
        self.fallback = fallback
    }

    /// Plans a bound graph.
    ///
    /// - Parameter sharedConstants: those that are the same in every plan of the model; what is packed from others
    ///   belongs to this plan alone.
    /// - Throws: `ModelError` with code `unsupported` that lists every node without a kernel, if `fallback` forbids them.
    package func plan(_ bound: BoundGraph, sharedConstants: Set<ValueID>) throws(ModelError) -> Plan {
        var assembly = try PlanAssembly(bound, builder: self, sharedConstants: sharedConstants)
        try assembly.lowerNodes()
        if fallback != .node {
            let missing = assembly.nodes.filter { $0.hostReason != nil }
            if !missing.isEmpty {
                let list = missing.map { "\"\($0.node.name)\" (\($0.node.displayType)): \($0.hostReason ?? "")" }
                throw ModelError(
                    .unsupported,
                    "\(missing.count) nodes have no kernel on \(context.device.name): " + list.joined(separator: "; ")
                )
            }
        }
        try assembly.deliverOutputs()
        return try assembly.finish()
    }
}
