package import ApusCompiler
package import ApusDevice
package import ApusGraph
import ApusLowering
import ApusOperatorSuite
import ApusOperators
package import ApusTensor

/// A decision between variants that a model asks for, with one of its layers to measure them by.
package struct TuningProblem: Sendable {
    package var key: TuningKey
    /// The variants by expected time; the first is taken without tuning.
    package var candidates: [TuningChoice]
    /// The layer that stands for all that ask the same.
    package var layer: SingleLayer
    /// The layers of the model that ask the same.
    package var useCount: Int
    /// The arithmetic of the layer, in operations.
    package var operations: Int

    /// The decisions behind a plan, those with most work in the model first.
    package static func problems(of plan: Plan) -> [TuningProblem] {
        var order: [TuningKey] = []
        var found: [TuningKey: TuningProblem] = [:]
        for planned in plan.nodes {
            guard let decision = planned.decision else { continue }
            if found[decision.key] != nil {
                found[decision.key]?.useCount += 1
            } else if let layer = SingleLayer(planned.node, of: plan) {
                order.append(decision.key)
                found[decision.key] = TuningProblem(
                    key: decision.key,
                    candidates: decision.candidates,
                    layer: layer,
                    useCount: 1,
                    operations: planned.cost.operations
                )
            }
        }
        return order.compactMap { found[$0] }.sorted { $0.work > $1.work }
    }

    private var work: Double { Double(operations) * Double(useCount) }
}

/// One node of a plan as a graph: its constants are the model's, its other operands are inputs.
package struct SingleLayer: Sendable {
    package private(set) var graph: Graph
    /// One type for each input of the graph.
    package private(set) var types: [TensorType]
    private var outputType: TensorType

    package var node: Node { graph.nodes[0] }

    /// - Returns: `nil` for nodes with operands that are no tensors.
    init?(_ node: Node, of plan: Plan) {
        guard node.outputs.count == 1, let result = node.outputs[0], let outputType = plan.types[result] else {
            return nil
        }
        var graph = Graph(name: node.name)
        var types: [TensorType] = []
        var renamed: [ValueID: ValueID] = [:]
        for id in Set(node.reads).sorted() {
            let name = plan.graph[id].name
            if let constant = plan.graph.constants[id] {
                renamed[id] = graph.addConstant(name, constant)
            } else {
                guard let type = plan.types[id] else { return nil }
                renamed[id] = graph.addInput(name, type: Self.valueType(type))
                types.append(type)
            }
        }
        var single = node
        single.replaceReads { renamed[$0] ?? $0 }
        let output = graph.addValue(plan.graph[result].name, type: Self.valueType(outputType), isImported: true)
        single.outputs = [output]
        graph.nodes = [single]
        graph.outputs = [output]
        (self.graph, self.types, self.outputType) = (graph, types, outputType)
    }

    /// Inputs from a fixed seed, within -1 ... 1.
    ///
    /// - Throws: `ModelError` for types without random values.
    package func seededInputs() throws(ModelError) -> [RuntimeValue] {
        var generator = SeededGenerator(seed: 1)
        return try types.map { type throws(ModelError) in .tensor(try generator.tensor(type, in: -1...1)) }
    }

    /// The first rows of the layer's result, for at most so many operations of the reference.
    ///
    /// Channels and the columns of a map stay as they are, so that the same register tile serves.
    /// - Parameter operations: of the whole layer.
    /// - Returns: `nil` where the layer is small enough, or where its rows cannot be told.
    func cropped(operations: Int, to limit: Int) -> SingleLayer? {
        guard operations > limit, outputType.rank >= 2 else { return nil }
        let axis = outputType.rank == 4 && node.operatorType == "Conv" ? 2 : outputType.rank - 2
        let outer = outputType.shape[..<axis].reduce(1, *) / (axis == 2 ? max(outputType.shape[1], 1) : 1)
        let perRow = max(1, operations / max(1, outputType.shape[axis] * outer))
        let rows = max(1, min(outputType.shape[axis], limit / perRow))
        var result = self
        result.outputType = leading(outputType, axis, rows)
        guard let main = node.inputs.first.flatMap({ $0 }), let position = graph.inputs.firstIndex(of: main) else {
            return nil
        }
        for index in types.indices where index != position {
            guard let type = croppedOperand(types[index], axis, rows) else { return nil }
            result.types[index] = type
        }
        switch node.operatorType {
        case "Conv" where axis == 2:
            guard let inputRows = inputRows(for: rows) else { return nil }
            result.types[position] = leading(types[position], axis, inputRows)
        case "MatMul" where types.count == 1 && types[position].rank == outputType.rank:
            result.types[position] = leading(types[position], axis, rows)
        default: return nil
        }
        for (id, type) in zip(graph.inputs, result.types) { result.graph[id].type = Self.valueType(type) }
        result.graph[graph.outputs[0]].type = Self.valueType(result.outputType)
        return result
    }

    /// One image, or matrix, of it, with so many rows.
    private func leading(_ type: TensorType, _ axis: Int, _ rows: Int) -> TensorType {
        var shape = type.shape
        for outer in 0..<axis where axis != 2 || outer == 0 || node.operatorType != "Conv" { shape[outer] = 1 }
        shape[axis] = rows
        return TensorType(type.elementType, shape)
    }

    /// An operand of the epilogue: as large as the result, or the same for all its rows.
    private func croppedOperand(_ type: TensorType, _ axis: Int, _ rows: Int) -> TensorType? {
        if type.shape == outputType.shape { return leading(type, axis, rows) }
        guard type.rank == outputType.rank, type.shape[axis] == 1 else { return nil }
        return leading(type, axis, 1)
    }

    /// The rows of the input of a convolution that have so many rows of results.
    private func inputRows(for rows: Int) -> Int? {
        guard let weights = node.inputs[1].flatMap({ graph.constantTensor($0) }), weights.rank == 4,
            (try? node.attributes.string("auto_pad", default: "NOTSET")) == "NOTSET",
            let strides = try? node.attributes.ints("strides") ?? [1, 1],
            let dilations = try? node.attributes.ints("dilations") ?? [1, 1],
            let pads = try? node.attributes.ints("pads") ?? [0, 0, 0, 0], pads.count == 4, strides.count == 2,
            dilations.count == 2
        else { return nil }
        let reach = (rows - 1) * strides[0] + (weights.shape[2] - 1) * dilations[0] + 1
        let count = reach - pads[0] - pads[2]
        return count > 0 ? count : nil
    }

    private static func valueType(_ type: TensorType) -> ValueType {
        .tensor(type.elementType, type.shape.map { .known($0) })
    }
}
