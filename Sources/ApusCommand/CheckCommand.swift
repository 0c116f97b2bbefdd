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

    @Option(help: ArgumentHelp("Write the placement that was made, to be given to --placement.", valueName: "file"))
    var savePlacement: String?

    private struct Entry: Encodable {
        var node: String
        var operatorType: String
        /// `nil` where the model is not divided.
        var stage: String?
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
        let shapes = try shared.binding.givenShapes()
        let types = try boundTypes(model, shapes)
        let session = try Session(model, options: try shared.sessionOptions())
        if let savePlacement {
            guard let file = session.placementFile else {
                throw ModelError(.unsupported, "the placement replicate runs every layer on every device: none to save")
            }
            try writeFile(Array("\(file)".utf8), to: savePlacement)
        }
        if let staged = session.executor as? StagedExecutor { return try check(staged, types) }
        if let plan = try session.plan(types) {
            entries = self.entries(plan, device: session.deviceName)
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

    private struct StagedReport: Encodable {
        var nodes: [Entry]
        var placement: PlacementReport
    }

    /// Shows where each node of each stage runs, and what crosses from stage to stage.
    private func check(_ executor: StagedExecutor, _ types: [TensorType]) throws {
        let report = try PlacementReport(executor, types)
        let reasons = Dictionary(report.layers.map { ($0.node, $0.reason) }) { first, _ in first }
        var all: [Entry] = []
        let plans = try executor.plans(types.map { ValueFact($0) })
        for ((stage, part), plan) in zip(zip(executor.stages, executor.staged.stages), plans) {
            let device = executor.devices[stage.device]
            var own: [Entry]
            if let plan {
                own = entries(plan, device: device.label)
            } else {
                let reason = device.openCL == nil ? nil : "bound when the shapes before it are known"
                own = part.graph.nodes.map { node in
                    Entry(
                        node: layerName(node, part.graph),
                        operatorType: node.displayType,
                        device: device.label,
                        reason: reason
                    )
                }
            }
            for index in own.indices {
                own[index].stage = stage.name
                own[index].reason = own[index].reason ?? reasons[own[index].node]
            }
            all += own
        }
        if let json = shared.json { try writeJSON(StagedReport(nodes: all, placement: report), to: json) }
        if shared.json == "-" { return }
        show(staged: all)
        report.printStages()
        print("\(all.count) nodes after the passes, \(all.count { $0.device == "host" }) on the host")
    }

    private func entries(_ plan: Plan, device: String) -> [Entry] {
        var entries = plan.nodes.map { node in
            Entry(
                node: node.node.name,
                operatorType: node.node.displayType,
                device: node.hostReason == nil ? device : "host",
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
        return entries
    }

    private func show(staged entries: [Entry]) {
        printTable(
            ["node", "operator", "stage", "device", "reason"],
            entries.map {
                [$0.node.isEmpty ? "(unnamed)" : $0.node, $0.operatorType, $0.stage ?? "", $0.device, $0.reason ?? ""]
            }
        )
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
