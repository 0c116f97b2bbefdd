import ApusGraph
import ApusTensor

extension GraphPass {
    /// Pointwise nodes become the epilogue of the node that produces their operand.
    package static let epilogue = GraphPass(
        name: "epilogue",
        summary: "pointwise nodes join the kernel of the node before them"
    ) { graph, context throws(ModelError) in
        let types = KnownTypes(graph, context)
        var editor = GraphEditor(graph)
        for index in editor.nodes.indices {
            guard let node = editor.nodes[index], let output = node.outputs.first, let output,
                let result = types[output], result.elementType.isFloatingPoint,
                let formula = ValueFormula(node, context.table)?
                    .inliningScalars(editor.graph, types, result: result)
            else { continue }
            for (id, position) in anchors(of: formula, readBy: index, result, editor, types) {
                guard let anchor = editor.nodes[position],
                    let fused = fuse(formula, of: id, into: anchor, output, types, context)
                else { continue }
                editor.replaceNode(at: position, with: nil)
                editor.replaceNode(at: index, with: fused)
                break
            }
        }
        return editor.result
    }

    /// The operands that only this formula reads and that may become its result, the best anchor first.
    private static func anchors(
        of formula: ValueFormula,
        readBy index: Int,
        _ result: TensorType,
        _ editor: GraphEditor,
        _ types: KnownTypes
    ) -> [(id: ValueID, position: Int)] {
        let candidates = formula.operands.compactMap { id -> (id: ValueID, position: Int, isContraction: Bool)? in
            guard let (position, node) = editor.producer(of: id), editor.soleReader(of: id) == index,
                node.outputs.first == id, editor.hasOneResult(node),
                let type = types[id], type == result || widens(node, type, to: result)
            else { return nil }
            let isContraction =
                PassContext.contractions.contains(node.operatorType)
                || PassContext.quantizedContractions.contains(node.operatorType)
            return (id, position, isContraction)
        }
        return candidates.sorted { a, b in
            a.isContraction != b.isContraction ? a.isContraction : a.position > b.position
        }.map { ($0.id, $0.position) }
    }

    /// Whether the node's kernels can store float32 in place of a 16-bit result.
    private static func widens(_ node: Node, _ type: TensorType, to result: TensorType) -> Bool {
        isMatrixProduct(node) && (type.elementType == .float16 || type.elementType == .bfloat16)
            && result == TensorType(.float32, type.shape)
    }

    private static func isMatrixProduct(_ node: Node) -> Bool {
        node.domain.isEmpty && (node.operatorType == "MatMul" || node.operatorType == "Gemm")
    }

    /// The anchor with the formula behind what it computes now; `nil` if that is not possible.
    private static func fuse(
        _ formula: ValueFormula,
        of id: ValueID,
        into anchor: Node,
        _ output: ValueID,
        _ types: KnownTypes,
        _ context: PassContext
    ) -> Node? {
        var extras = anchor.epilogueInputs.compactMap { $0 }
        var numbers: [Int] = []
        for operand in formula.operands {
            if operand == id {
                numbers.append(0)
            } else if let position = extras.firstIndex(of: operand) {
                numbers.append(position + 1)
            } else {
                extras.append(operand)
                numbers.append(extras.count)
            }
        }
        let present = anchor.epilogue?.expression ?? .input(0)
        let expression = formula.expression.substituting { numbers[$0] == 0 ? present : .input(numbers[$0]) }
        let epilogue = Epilogue(expression: expression, inputCount: extras.count)
        guard extras.count < ValueFormula.maximumOperands,
            expression.operationCount <= ValueFormula.maximumOperations,
            let result = types[output], fits(epilogue, extras, of: anchor, result, types),
            context.canFuse(anchor, epilogue)
        else { return nil }
        var node = anchor
        node.inputs = Array(anchor.anchorInputs) + extras
        node.outputs = [output]
        node.epilogue = epilogue
        return node
    }

    /// Whether the formula over what the anchor computes gives that type.
    private static func fits(
        _ epilogue: Epilogue,
        _ extras: [ValueID],
        of anchor: Node,
        _ result: TensorType,
        _ types: KnownTypes
    ) -> Bool {
        var operands = [result]
        if isMatrixProduct(anchor), let type = types[anchor.inputs.first ?? nil] {
            operands = [TensorType(type.elementType, result.shape)]
        }
        for id in extras {
            guard let type = types[id] else { return false }
            operands.append(type)
        }
        return ValueFormula.type(of: epilogue.expression, operands) == result
    }
}
