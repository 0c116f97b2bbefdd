package import ApusGraph
import ApusOperators
package import ApusTensor

/// A part of a graph that stands alone, with the reference's values around it.
package struct ExtractedLayer: Sendable {
    /// The nodes behind one value; what else they read is an input or a constant.
    package var graph: Graph
    /// One value for each input, in order.
    package var inputs: [RuntimeValue]
    /// What the reference makes of them.
    package var output: RuntimeValue

    /// The element type of the output; float32 where it is no tensor.
    package var elementType: ElementType {
        if case .tensor(let tensor) = output { tensor.elementType } else { .float32 }
    }
}

extension GraphComparison {
    /// Cuts out what lies between a bad value and the values before it that agreed: one node, or those that one kernel
    /// computes together.
    ///
    /// - Parameters:
    ///   - name: the bad value.
    ///   - report: the comparison that found it.
    ///   - inputs: one value for each input of the graph, in order.
    /// - Throws: `ModelError` with code `invalidInput` if no node produces the value, or what the reference throws.
    package func extract(
        _ name: String,
        _ report: ComparisonReport,
        inputs: [RuntimeValue]
    ) throws -> ExtractedLayer {
        let uses = GraphUses(graph)
        guard let bad = uses.producer.keys.filter({ graph[$0].name == name }).min() else {
            throw ModelError(.invalidInput, "no node produces a value \"\(name)\"")
        }
        let agreeing = Set(report.values.filter(\.isGood).map(\.name))
        var nodes: Set<Int> = []
        var borders: Set<ValueID> = []
        var pending = [bad]
        while let id = pending.popLast() {
            guard let producer = uses.producer[id], id == bad || !agreeing.contains(graph[id].name) else {
                if graph.constants[id] == nil { borders.insert(id) }
                continue
            }
            if nodes.insert(producer).inserted { pending += graph.nodes[producer].reads }
        }
        var values: [ValueID: RuntimeValue] = [:]
        for (id, value) in zip(graph.inputs, inputs) where borders.contains(id) { values[id] = value }
        _ = try GraphInterpreter(graph, table: table, limits: limits).run(inputs) { id, value in
            if borders.contains(id) || id == bad { values[id] = value }
        }
        return try assemble(nodes.sorted(), borders.subtracting(nodes.flatMap { produced($0) }).sorted(), bad, values)
    }

    private func produced(_ node: Int) -> [ValueID] { graph.nodes[node].outputs.compactMap { $0 } }

    /// Extents are those of the run; what an empty sequence holds only the model knows.
    private func type(of id: ValueID, _ value: RuntimeValue) -> ValueType {
        switch value {
        case .tensor, .strings: ValueType(describing: value)
        case .sequence, .optional: graph[id].type ?? ValueType(describing: value)
        }
    }

    private func assemble(
        _ nodes: [Int],
        _ borders: [ValueID],
        _ bad: ValueID,
        _ values: [ValueID: RuntimeValue]
    ) throws(ModelError) -> ExtractedLayer {
        func value(_ id: ValueID) throws(ModelError) -> RuntimeValue {
            guard let value = values[id] else {
                throw ModelError(.invalidModel, "the reference does not reach \"\(graph[id].name)\"")
            }
            return value
        }
        var part = Graph(name: graph.nodes[nodes.last ?? 0].name)
        var renamed: [ValueID: ValueID] = [:]
        var inputs: [RuntimeValue] = []
        for id in borders {
            let found = try value(id)
            renamed[id] = part.addInput(graph[id].name, type: type(of: id, found))
            inputs.append(found)
        }
        for id in Set(nodes.flatMap { graph.nodes[$0].reads }).sorted() {
            if let constant = graph.constants[id] {
                renamed[id] = part.addConstant(graph[id].name, constant, isImported: graph[id].isImported)
            }
        }
        let output = try value(bad)
        for index in nodes {
            for id in produced(index) {
                let type = id == bad ? self.type(of: id, output) : nil
                renamed[id] = part.addValue(graph[id].name, type: type, isImported: graph[id].isImported)
            }
        }
        part.nodes = nodes.map { index in
            var node = graph.nodes[index]
            node.replaceReads { renamed[$0] ?? $0 }
            node.outputs = node.outputs.map { $0.flatMap { renamed[$0] } }
            return node
        }
        part.outputs = [renamed[bad] ?? bad]
        return ExtractedLayer(graph: part, inputs: inputs, output: output)
    }
}

extension ValueType {
    /// The type of a value as a model would declare it; what an empty sequence or optional might hold is float32.
    package init(describing value: RuntimeValue) {
        switch value {
        case .tensor(let tensor): self = .tensor(tensor.elementType, tensor.shape.map { .known($0) })
        case .strings(let strings): self = .tensor(.string, strings.shape.map { .known($0) })
        case .sequence(let elements): self = .sequence(Self.element(elements.first))
        case .optional(let element): self = .optional(Self.element(element))
        }
    }

    /// Elements of a sequence may differ in shape.
    private static func element(_ value: RuntimeValue?) -> ValueType {
        guard let value else { return .tensor(.float32, nil) }
        let type = ValueType(describing: value)
        if case .tensor(let elementType, _) = type { return .tensor(elementType, nil) }
        return type
    }
}
