package import ApusGraph
package import ApusTensor

/// Which device runs which node of a model, and why.
package struct Placement: Sendable, Hashable {
    /// One part of the model on one device.
    package struct Stage: Sendable, Hashable {
        package var name: String
        /// The device, as a place in the list that the model may use.
        package var device: Int
        /// The line of the placement file; 0 where there is none.
        package var line: Int
        /// The part of the model's estimated time, 0 ... 1; `nil` where nothing was estimated.
        package var share: Double?

        package init(name: String, device: Int, line: Int = 0, share: Double? = nil) {
            self.name = name
            self.device = device
            self.line = line
            self.share = share
        }
    }

    /// Where one node runs.
    package struct Assignment: Sendable, Hashable {
        package var stage: Int
        /// Why, in a few words.
        package var reason: String

        package init(stage: Int, reason: String) {
            self.stage = stage
            self.reason = reason
        }
    }

    package var stages: [Stage]
    /// One for each node of the graph, in order.
    package var assignments: [Assignment]

    package init(stages: [Stage], assignments: [Assignment]) {
        self.stages = stages
        self.assignments = assignments
    }

    /// All nodes on one device.
    package init(single graph: Graph) {
        stages = [Stage(name: "all", device: 0)]
        assignments = graph.nodes.map { _ in Assignment(stage: 0, reason: "the only device") }
    }
}

extension PlacementRules {
    /// Applies the rules to a graph. Nothing is guessed: every node must be selected, every line must select.
    ///
    /// - Parameter devices: the place of each stage's device in the list that the model may use.
    /// - Throws: `ModelError` with code `invalidFile` that names the line: a node selected for two stages, a line that
    ///   fits no node, or nodes that no line fits.
    package func placement(of graph: Graph, devices: [Int]) throws(ModelError) -> Placement {
        var byName: [String: [Int]] = [:]
        var byOutput: [String: [Int]] = [:]
        for (index, node) in graph.nodes.enumerated() {
            byName[node.name, default: []].append(index)
            for id in node.outputs.compactMap({ $0 }) { byOutput[graph[id].name, default: []].append(index) }
        }
        func selected(_ pattern: NamePattern, _ names: [String: [Int]]) -> [Int] {
            if let name = pattern.exactName { return names[name] ?? [] }
            return names.filter { pattern.matches($0.key) }.flatMap(\.value).sorted()
        }
        var chosen: [(stage: Int, rule: Rule, text: String)?] = graph.nodes.map { _ in nil }
        var rest: (stage: Int, line: Int)?
        for (index, stage) in stages.enumerated() {
            for rule in stage.rules {
                let nodes: [Int]
                let text: String
                switch rule.selection {
                case .name(let pattern): (nodes, text) = (selected(pattern, byName), "\(pattern)")
                case .output(let pattern): (nodes, text) = (selected(pattern, byOutput), "output: \(pattern)")
                case .rest:
                    if let rest { throw placementError(rule.line, "\"rest\" is there already, in line \(rest.line)") }
                    rest = (index, rule.line)
                    continue
                }
                guard !nodes.isEmpty else {
                    throw placementError(rule.line, "\"\(text)\" fits no node of the model")
                }
                for node in nodes {
                    if let other = chosen[node], other.stage != index {
                        throw placementError(
                            rule.line,
                            "the node \(graph.nodes[node].label(in: graph)) is placed twice: in the stage "
                                + "\"\(stage.name)\", and by line \(other.rule.line) in \"\(stages[other.stage].name)\""
                        )
                    }
                    chosen[node] = chosen[node] ?? (index, rule, text)
                }
            }
        }
        let left = chosen.indices.filter { chosen[$0] == nil && graph.nodes[$0].outputs.contains { $0 != nil } }
        if let rest, left.isEmpty { throw placementError(rest.line, "\"rest\" is empty: other lines name every node") }
        guard left.isEmpty || rest != nil else {
            let names = left.prefix(3).map { graph.nodes[$0].label(in: graph) }.joined(separator: ", ")
            throw ModelError(
                .invalidFile,
                "\(left.count) nodes are in no stage, such as \(names); the line \"rest\" takes them all"
            )
        }
        return Placement(
            stages: zip(stages, devices).map { Placement.Stage(name: $0.name, device: $1, line: $0.line) },
            assignments: chosen.map { choice in
                if let choice {
                    return Placement.Assignment(stage: choice.stage, reason: "line \(choice.rule.line): \(choice.text)")
                }
                return Placement.Assignment(stage: rest?.stage ?? 0, reason: "line \(rest?.line ?? 0): rest")
            }
        )
    }
}

extension Node {
    /// The name in quotes, or the value that an unnamed node produces.
    func label(in graph: Graph) -> String {
        guard name.isEmpty else { return "\"\(name)\"" }
        return "that produces \"\(outputs.compactMap { $0 }.first.map { graph[$0].name } ?? "")\""
    }
}
