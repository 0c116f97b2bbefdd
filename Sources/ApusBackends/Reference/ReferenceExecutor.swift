package import ApusCompiler
import ApusDevice
package import ApusGraph
package import ApusOpenCL
package import ApusOperators
package import ApusTensor

/// Interprets the imported graph with the reference operators; where a precision is asked for, the graph that devices
/// run in it.
package struct ReferenceExecutor: Executor {
    package let graph: Graph
    private let options: ExecutorOptions

    package var deviceName: String { DeviceInfo.reference.name }

    package var openCLDevices: [OpenCLDevice] { [] }

    /// - Throws: `ModelError` that names the first node whose operator is unknown or wrong.
    package init(_ graph: Graph, options: ExecutorOptions = ExecutorOptions()) throws {
        self.options = options
        if options.precision == nil {
            self.graph = graph
        } else {
            self.graph = try PassPipeline.shapeFree(precision: options.precision).run(
                graph,
                disabled: options.disabledPasses,
                context: PassContext(limits: options.limits)
            )
        }
        _ = try GraphInterpreter(self.graph, limits: options.limits)
    }

    package func plan(_ inputs: [ValueFact]) throws -> Plan? {
        _ = try ShapeBinder(limits: options.limits).bind(graph, inputs: inputs)
        return nil
    }

    package func run(_ inputs: [RuntimeValue], _ runOptions: RunOptions) throws -> RunResult {
        var limits = options.limits
        limits.checkCancellation = { try runOptions.checkCancellation() }
        var observed: [String: RuntimeValue] = [:]
        var entries: [RunProfile.Entry] = []
        let outputs = try GraphInterpreter(graph, limits: limits).run(
            inputs,
            observe: { id, value in
                if options.observesValues, graph[id].isImported { observed[graph[id].name] = value }
            },
            timing: runOptions.profile == nil ? nil : { entries.append(entry($0)) }
        )
        runOptions.profile?.append(entries)
        return RunResult(outputs: outputs, observed: observed)
    }

    private func entry(_ timing: NodeTiming) -> RunProfile.Entry {
        let node = graph.nodes[timing.node]
        return RunProfile.Entry(
            kind: .host,
            name: "reference",
            node: node.name,
            operatorType: node.displayType,
            started: timing.started,
            ended: timing.ended,
            operations: timing.cost.operations,
            bytes: timing.cost.bytes
        )
    }
}
