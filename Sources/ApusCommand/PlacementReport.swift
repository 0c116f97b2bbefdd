import Apus
import ApusBackends
import ApusCompiler
import ApusGraph
import ApusOperators
import ApusTensor

/// How a model is cut over devices: for people as tables, for scripts as JSON.
struct PlacementReport: Encodable {
    /// A node of the model as imported.
    struct Layer: Encodable {
        var node: String
        var operatorType: String
        var stage: String
        var device: String
        var reason: String
    }

    struct Stage: Encodable {
        var name: String
        var device: String
        var layers: Int
        /// The part of the estimated time; `nil` where the placement estimates nothing.
        var share: Double?
        /// The names of the stages it waits for.
        var after: [String]
    }

    /// A value that crosses from one stage to another.
    struct Transfer: Encodable {
        var value: String
        var type: String
        var from: String
        var to: String
        /// `nil` where the shape depends on computed data.
        var bytes: Int?
    }

    var layers: [Layer]
    var stages: [Stage]
    var transfers: [Transfer]

    /// - Throws: `ModelError` if the shapes do not fit the model.
    init(_ executor: StagedExecutor, _ types: [TensorType]) throws {
        let staged = executor.staged
        let graph = staged.graph
        let names = executor.stages.map(\.name)
        layers = zip(graph.nodes, executor.placement.assignments).map { node, assignment in
            let stage = executor.placement.stages[assignment.stage]
            return Layer(
                node: layerName(node, graph),
                operatorType: node.displayType,
                stage: stage.name,
                device: executor.devices[stage.device].label,
                reason: assignment.reason
            )
        }
        stages = zip(executor.stages, staged.stages).map { stage, part in
            Stage(
                name: stage.name,
                device: executor.devices[stage.device].label,
                layers: part.graph.nodes.count,
                share: executor.placement.stages[part.index].share,
                after: part.predecessors.map { names[$0] }
            )
        }
        let facts = try executor.facts(types.map { ValueFact($0) })
        transfers = staged.transfers.map { transfer in
            let type = facts[transfer.value]?.type
            return Transfer(
                value: graph[transfer.value].name,
                type: type.map { "\($0)" } ?? "unknown before the run",
                from: names[transfer.source],
                to: names[transfer.target],
                bytes: type?.byteCount
            )
        }
    }

    func printLayers() {
        printTable(
            ["layer", "operator", "stage", "device", "reason"],
            layers.map { [$0.node, $0.operatorType, $0.stage, $0.device, $0.reason] }
        )
    }

    func printStages() {
        for stage in stages {
            let share = stage.share.map { ", \(formatted($0 * 100, digits: 1)) % of the estimated time" } ?? ""
            let after = stage.after.isEmpty ? "" : ", after \(stage.after.joined(separator: " and "))"
            print("stage \(stage.name) on \(stage.device): \(stage.layers) layers\(share)\(after)")
        }
        for transfer in transfers {
            let bytes = transfer.bytes.map { "\($0) bytes" } ?? "bytes unknown"
            print("  \(transfer.from) -> \(transfer.to)  \(bytes)  \(transfer.value) \(transfer.type)")
        }
        let known = transfers.compactMap(\.bytes).reduce(0, +)
        print("\(known) bytes cross from stage to stage in \(transfers.count) transfers")
    }
}

/// The name of a node, or the value that an unnamed one produces.
func layerName(_ node: Node, _ graph: Graph) -> String {
    guard node.name.isEmpty else { return node.name }
    return "(\(node.outputs.compactMap { $0 }.first.map { graph[$0].name } ?? "unnamed"))"
}
