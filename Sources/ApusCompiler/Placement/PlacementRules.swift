package import ApusGraph
package import ApusTensor

/// What a placement file says: stages, each with a device and the layers that it runs.
///
///     # The first part on the GPU, the rest on the CPU.
///     stage features opencl:gpu
///         /stem/*
///         /layer1/*
///     stage head opencl:cpu
///         rest
///
/// A line `stage NAME DEVICE` begins a stage. Each line below it is a pattern (`NamePattern`) for the names of nodes,
/// `output: PATTERN` for the names of the values that nodes produce, or `rest` for all nodes that no line names.
/// Indentation is free; `#` begins a line of comment.
package struct PlacementRules: Sendable, Hashable, CustomStringConvertible {
    /// What one line below a stage selects.
    package enum Selection: Sendable, Hashable {
        case name(NamePattern)
        case output(NamePattern)
        case rest
    }

    /// One line below a stage.
    package struct Rule: Sendable, Hashable {
        package var selection: Selection
        /// Counted from 1; 0 where the rule does not come from a file.
        package var line: Int
    }

    /// One part of the model on one device.
    package struct Stage: Sendable, Hashable {
        package var name: String
        /// The text of a device selection, such as `opencl:0`.
        package var device: String
        package var line: Int
        package var rules: [Rule]
    }

    package var stages: [Stage]

    package init(stages: [Stage]) { self.stages = stages }

    /// Reads the text of a file.
    ///
    /// - Throws: `ModelError` with code `invalidFile` that names the line.
    package init(_ text: String) throws(ModelError) {
        stages = []
        for (index, content) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let line = index + 1
            let words = content.split(whereSeparator: \.isWhitespace)
            guard let first = words.first, first.first != "#" else { continue }
            if first == "stage" {
                guard words.count >= 3 else { throw placementError(line, "expected \"stage NAME DEVICE\"") }
                let name = String(words[1])
                if let other = stages.first(where: { $0.name == name }) {
                    throw placementError(line, "the stage \"\(name)\" is there already, in line \(other.line)")
                }
                let device = words[2...].joined(separator: " ")
                stages.append(Stage(name: name, device: device, line: line, rules: []))
            } else {
                guard !stages.isEmpty else {
                    throw placementError(line, "expected \"stage NAME DEVICE\" before the first layer")
                }
                stages[stages.count - 1].rules.append(try Self.rule(content, line))
            }
        }
        guard !stages.isEmpty else { throw ModelError(.invalidFile, "the placement has no stage") }
        for stage in stages where stage.rules.isEmpty {
            throw placementError(stage.line, "the stage \"\(stage.name)\" has no layer")
        }
    }

    private static func rule(_ content: Substring, _ line: Int) throws(ModelError) -> Rule {
        func trimmed(_ text: Substring) -> String {
            let start = text.drop(while: \.isWhitespace)
            return String(start.reversed().drop(while: \.isWhitespace).reversed())
        }
        var text = trimmed(content)
        if text == "rest" { return Rule(selection: .rest, line: line) }
        let isOutput = text.hasPrefix(outputPrefix)
        if isOutput { text = trimmed(text.dropFirst(outputPrefix.count)) }
        guard let pattern = NamePattern(text), !text.isEmpty else {
            throw placementError(line, "\"\(text)\" is no pattern")
        }
        return Rule(selection: isOutput ? .output(pattern) : .name(pattern), line: line)
    }

    private static let outputPrefix = "output:"

    private static func isReserved(_ text: String) -> Bool {
        ["#", "stage ", outputPrefix].contains { text.hasPrefix($0) } || ["stage", "rest"].contains(text)
    }

    /// The text that `init(_:)` reads.
    package var description: String {
        var text = "# Which layers run where. A stage is one part of the model on one device.\n"
        for stage in stages {
            text += "stage \(stage.name) \(stage.device)\n"
            for rule in stage.rules {
                switch rule.selection {
                case .name(let pattern): text += "    \(pattern)\n"
                case .output(let pattern): text += "    \(Self.outputPrefix) \(pattern)\n"
                case .rest: text += "    rest\n"
                }
            }
        }
        return text
    }

    /// The rules that name every node of a placement by itself: nodes without a name of their own by what they produce.
    ///
    /// - Parameter devices: the text of each device's selection.
    package init(_ placement: Placement, of graph: Graph, devices: [String]) {
        var counts: [String: Int] = [:]
        for node in graph.nodes { counts[node.name, default: 0] += 1 }
        stages = placement.stages.map { stage in
            Stage(name: stage.name, device: devices[stage.device], line: 0, rules: [])
        }
        for (node, assignment) in zip(graph.nodes, placement.assignments) {
            let selection: Selection
            if !node.name.isEmpty, counts[node.name] == 1 {
                selection = .name(NamePattern(exactly: node.name, isReserved: Self.isReserved))
            } else {
                guard let output = node.outputs.compactMap({ $0 }).first else { continue }
                selection = .output(NamePattern(exactly: graph[output].name))
            }
            stages[assignment.stage].rules.append(Rule(selection: selection, line: 0))
        }
    }
}

/// An error about a line of a placement file.
func placementError(_ line: Int, _ message: String) -> ModelError {
    ModelError(.invalidFile, line > 0 ? "line \(line): \(message)" : message)
}
