package import ApusDevice
package import ApusGraph
package import ApusLowering
package import ApusOperators
package import ApusTensor

/// Where a launch finds memory.
package enum BufferLocation: Sendable, Hashable {
    /// In the arena of a run, at an offset in bytes.
    case arena(Int)
    /// A constant of the model, in canonical layout.
    case constant(ValueID)
    /// What the load phase computed from constants alone.
    case packed(PackedKey)
}

/// Tells the constants that one plan's binding made from those of other plans.
package final class PlanIdentity: Sendable {
    package init() {}
}

/// Identifies a packed buffer by how it is made, so that all plans of a model share it.
package final class PackedKey: Sendable, Hashable {
    package let launches: [KernelLaunch]
    package let reference: BufferReference
    package let byteCount: Int
    /// The packed buffers that the launches read, in the order of their tensor arguments.
    package let dependencies: [PackedKey]
    /// The plan that alone may use the buffer, as it is made from constants that binding added; `nil` where the model's
    /// own constants suffice. The identities of added values repeat from plan to plan.
    package let owner: PlanIdentity?

    package init(
        launches: [KernelLaunch],
        reference: BufferReference,
        byteCount: Int,
        dependencies: [PackedKey],
        owner: PlanIdentity? = nil
    ) {
        self.launches = launches
        self.reference = reference
        self.byteCount = byteCount
        self.dependencies = dependencies
        self.owner = owner
    }

    package static func == (a: PackedKey, b: PackedKey) -> Bool {
        a === b
            || (a.owner === b.owner && a.launches == b.launches && a.reference == b.reference
                && a.byteCount == b.byteCount && a.dependencies == b.dependencies)
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(launches.first?.kernel)
        hasher.combine(launches.first?.arguments)
        hasher.combine(reference)
        hasher.combine(byteCount)
        hasher.combine(owner.map { ObjectIdentifier($0) })
    }
}

/// A launch with the place of each of its tensor arguments, in their order.
package struct PlannedLaunch: Sendable {
    package var launch: KernelLaunch
    package var locations: [BufferLocation]
    /// The index of the planned node that it belongs to.
    package var node: Int
}

/// One step of a run.
package enum Step: Sendable {
    case launch(PlannedLaunch)
    /// Host to arena, in canonical layout.
    case upload(ValueID)
    /// Arena or constant to host, in canonical layout; the host holds it under the second identity.
    case download(ValueID, as: ValueID)
    /// A node on the host, by index.
    case evaluate(Int)
}

/// A node of a plan and what became of it.
package struct PlannedNode: Sendable {
    package var node: Node
    package var op: any Operator
    /// Why the host evaluates the node; `nil` where kernels run it.
    package var hostReason: String?
    package var launchCount: Int
    package var cost: Cost
    /// What lowering decided between variants, where tuning may decide otherwise.
    package var decision: TuningDecision?
}

/// A model bound to concrete shapes on one device: immutable and shared.
package struct Plan: Sendable {
    package var graph: Graph
    package var types: [ValueID: TensorType]
    package var layouts: [ValueID: Layout]
    package var nodes: [PlannedNode]
    /// Launches over constants alone: run once for a model, their results kept.
    package var loadSteps: [PlannedLaunch]
    package var steps: [Step]
    /// Where canonical values that steps upload or download lie.
    package var locations: [ValueID: BufferLocation]
    package var arenaBytes: Int
    /// The bytes of the arena that hold something; all of them unless blocks are guarded.
    package var arenaBlocks: [Range<Int>]
    /// The node at which the plan ends and what follows it.
    package var cut: Node?
    package var remainder: Graph?

    /// The launches of one run.
    package var launches: [PlannedLaunch] {
        steps.compactMap { if case .launch(let launch) = $0 { launch } else { nil } }
    }

    /// The programs that the plan needs, each once.
    package var programs: Set<KernelProgram> {
        Set(loadSteps.map(\.launch.program) + launches.map(\.launch.program))
    }

    /// The nodes that the host evaluates.
    package var hostNodes: [PlannedNode] { nodes.filter { $0.hostReason != nil } }
}
