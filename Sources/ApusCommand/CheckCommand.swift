import Apus
import ApusBackends
import ApusCompiler
import ApusGraph
import ApusOperators
import ApusTensor
import ArgumentParser

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Says for every node where it runs, or why it cannot; exit status 1 if one cannot."
    )

    @OptionGroup var shared: SharedOptions

    private struct Entry: Encodable {
        var node: String
        var operatorType: String
        var device: String
        var reason: String?
    }

    func run() throws {
        let model = try shared.loadModel()
        var entries: [Entry] = []
        var unsupported = 0
        for node in model.graph.nodes {
            var reason: String?
            do {
                _ = try OperatorTable.standard.makeOperator(node)
            } catch {
                reason = error.message
                unsupported += 1
            }
            entries.append(Entry(node: node.name, operatorType: node.displayType, device: "-", reason: reason))
        }
        if unsupported > 0 {
            try show(entries.filter { $0.reason != nil })
            throw ModelError(
                .unsupported,
                "\(unsupported) of \(entries.count) nodes cannot run",
                file: shared.model
            )
        }
        let shapes = try shared.givenShapes()
        let types = try boundTypes(model, shapes)
        let session = try Session(model, options: try shared.sessionOptions())
        if let plan = try session.plan(types) {
            entries = plan.nodes.map { node in
                Entry(
                    node: node.node.name,
                    operatorType: node.node.displayType,
                    device: node.hostReason == nil ? session.deviceName : "host",
                    reason: node.hostReason
                )
            }
            if let cut = plan.cut {
                entries.append(
                    Entry(
                        node: cut.name,
                        operatorType: cut.displayType,
                        device: "host",
                        reason: "its shapes depend on data; what follows is bound when they are known"
                    )
                )
            }
            try show(entries)
            if shared.json != "-" {
                let host = entries.filter { $0.device == "host" }.count
                print(
                    "\(entries.count) nodes after the passes, \(host) on the host; "
                        + "\(plan.launches.count) launches, \(plan.programs.count) programs, "
                        + "\(plan.arenaBytes >> 10) KiB of activations"
                )
            }
        } else {
            try show(entries.map { Entry(node: $0.node, operatorType: $0.operatorType, device: "reference") })
        }
    }

    private func show(_ entries: [Entry]) throws {
        if let json = shared.json { try writeJSON(entries, to: json) }
        if shared.json == "-" { return }
        printTable(
            ["node", "operator", "device", "reason"],
            entries.map { [$0.node.isEmpty ? "(unnamed)" : $0.node, $0.operatorType, $0.device, $0.reason ?? ""] }
        )
    }
}
