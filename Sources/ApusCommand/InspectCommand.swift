import Apus
import ApusBackends
import ApusCompiler
import ApusGraph
import ApusLowering
import ApusOperators
import ApusTensor
import ArgumentParser

struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Shows inputs, outputs, operators, parameters and work of a model, before and after the passes."
    )

    @OptionGroup var shared: SharedOptions

    @Flag(help: "Print the graph in the language of Graphviz.")
    var dot = false

    @Flag(help: "Print the kernel calls of the plan.")
    var launches = false

    private struct Report: Encodable {
        struct Port: Encodable {
            var name: String
            var type: String
        }
        var model: String
        var inputs: [Port]
        var outputs: [Port]
        var parameters: Int
        var parameterBytes: Int
        var nodes: Int
        var operators: [String: Int]
        var boundNodes: Int?
        var boundOperators: [String: Int]?
        var operations: Int?
        var metadata: [String: String]
        /// `nil` where the model is not divided.
        var placement: PlacementReport?
    }

    func run() throws {
        let model = try shared.loadModel()
        let constants = model.graph.constants.values.compactMap { try? $0.tensor() }
        var report = Report(
            model: shared.model,
            inputs: model.inputs.map { Report.Port(name: $0.name, type: $0.description) },
            outputs: model.outputs.map { Report.Port(name: $0.name, type: $0.description) },
            parameters: constants.reduce(0) { $0 + $1.elementCount },
            parameterBytes: constants.reduce(0) { $0 + $1.byteCount },
            nodes: model.graph.nodes.count,
            operators: counts(model.graph.nodes),
            metadata: model.metadata
        )
        let shapes = try shared.binding.givenShapes()
        try checkNames(model, shapes)
        let types = shapes.isEmpty ? try? boundTypes(model, shapes) : try boundTypes(model, shapes)
        var problem: ModelError?
        var plan: Plan?
        if let types {
            do {
                let session = try Session(model, options: try shared.sessionOptions())
                if let staged = session.executor as? StagedExecutor {
                    report.placement = try PlacementReport(staged, types)
                } else {
                    plan = try session.plan(types)
                }
            } catch let error as ModelError where shared.placement == "single" {
                problem = error
            }
        }
        if let plan {
            report.boundNodes = plan.nodes.count
            report.boundOperators = counts(plan.nodes.map(\.node))
            report.operations = plan.nodes.reduce(0) { $0 + $1.cost.operations }
        }
        if let json = shared.json { try writeJSON(report, to: json) }
        if shared.json == "-" { return }
        if dot { return printDot(model.graph) }
        for port in report.inputs { print("input   \(port.name)  \(port.type)") }
        for port in report.outputs { print("output  \(port.name)  \(port.type)") }
        print("parameters  \(report.parameters) in \(report.parameterBytes) bytes")
        print("nodes       \(report.nodes): \(list(report.operators))")
        if let boundOperators = report.boundOperators, let boundNodes = report.boundNodes, let plan {
            print("planned     \(boundNodes): \(list(boundOperators))")
            print(
                "work        \(formatted(Double(report.operations ?? 0) * 1e-9)) GFLOP, \(plan.launches.count) launches, "
                    + "\(plan.arenaBytes) bytes of activations"
            )
        }
        if let problem { print("planned     no: \(problem)") }
        if let placement = report.placement {
            print("")
            placement.printLayers()
            placement.printStages()
        }
        if launches, let plan {
            printTable(
                ["node", "kernel", "file", "global size", "local size"],
                plan.launches.map { planned in
                    [
                        plan.nodes[planned.node].node.name, planned.launch.kernel, planned.launch.program.file,
                        planned.launch.globalSize.map(String.init).joined(separator: "x"),
                        planned.launch.localSize?.map(String.init).joined(separator: "x") ?? "-",
                    ]
                }
            )
        }
    }

    private func counts(_ nodes: [Node]) -> [String: Int] {
        nodes.reduce(into: [:]) { result, node in
            result[node.displayType + (node.epilogue == nil ? "" : "+"), default: 0] += 1
        }
    }

    private func list(_ counts: [String: Int]) -> String {
        counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "\($0.value) \($0.key)" }
            .joined(separator: ", ")
    }

    private func printDot(_ graph: Graph) {
        func quoted(_ text: String) -> String {
            "\"" + text.flatMap { $0 == "\"" || $0 == "\\" ? ["\\", $0] : [$0] } + "\""
        }
        print("digraph {")
        let uses = GraphUses(graph)
        for (index, node) in graph.nodes.enumerated() {
            print("  n\(index) [shape=box, label=\(quoted(node.displayType + "\n" + node.name))]")
            for id in Set(node.reads).sorted() {
                if let producer = uses.producer[id] {
                    print("  n\(producer) -> n\(index) [label=\(quoted(graph[id].name))]")
                } else if graph.inputs.contains(id) {
                    print("  \(quoted(graph[id].name)) -> n\(index)")
                }
            }
        }
        for id in graph.outputs {
            if let producer = uses.producer[id] { print("  n\(producer) -> \(quoted(graph[id].name))") }
        }
        print("}")
    }
}
