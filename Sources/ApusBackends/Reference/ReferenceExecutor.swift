package import ApusCompiler
package import ApusDevice
package import ApusGraph
import ApusOperators
package import ApusTensor

/// Interprets the imported graph with the reference operators.
package struct ReferenceExecutor: Executor {
    package let graph: Graph
    private let options: ExecutorOptions

    package var device: DeviceInfo { .reference }

    /// - Throws: `ModelError` that names the first node whose operator is unknown or wrong.
    package init(_ graph: Graph, options: ExecutorOptions = ExecutorOptions()) throws {
        self.graph = graph
        self.options = options
        _ = try GraphInterpreter(graph, limits: options.limits)
    }

    package func plan(_ inputs: [TensorType]) throws -> Plan? {
        _ = try ShapeBinder(limits: options.limits).bind(graph, inputs: inputs.map { ValueFact($0) })
        return nil
    }

    package func run(_ inputs: [RuntimeValue], _ runOptions: RunOptions) throws -> RunResult {
        var limits = options.limits
        limits.checkCancellation = { try runOptions.checkCancellation() }
        var observed: [String: RuntimeValue] = [:]
        let outputs = try GraphInterpreter(graph, limits: limits).run(inputs) { id, value in
            if options.observesValues, graph[id].isImported { observed[graph[id].name] = value }
        }
        return RunResult(outputs: outputs, observed: observed)
    }
}
