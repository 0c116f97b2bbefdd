import ApusGraph
import ApusTensor

/// A value as a strided reading of the dense tensor that movement operators made it from.
struct MovementView {
    /// The dense tensor.
    private(set) var source: ValueID
    private(set) var shape: [Int]
    /// Elements between neighbours, by axis; 0 repeats.
    private(set) var strides: [Int]
    private(set) var offset = 0
    /// What every element is multiplied by on the way.
    private(set) var scale = 1.0

    private init(_ source: ValueID, _ shape: [Int]) {
        self.source = source
        self.shape = shape
        strides = contiguousStrides(shape)
    }

    /// Looks through the movement operators that produce a value, as far as a strided reading goes.
    ///
    /// - Returns: `nil` if the shape of a value on the way is not known.
    init?(_ id: ValueID, _ editor: GraphEditor, _ types: KnownTypes) {
        var chain: [(node: Node, output: ValueID)] = []
        var current = id
        while let node = editor.producer(of: current)?.node.arithmetic, Self.moves(node), chain.count < 32,
            let input = Self.movedInput(node, editor), types[input] != nil
        {
            chain.append((node, current))
            current = input
        }
        guard let type = types[current] else { return nil }
        var view = Self(current, type.shape)
        for (node, output) in chain.reversed() {
            guard let type = types[output] else { return nil }
            view = view.applying(node, output, type.shape, editor, types) ?? Self(output, type.shape)
        }
        self = view
    }

    /// Where the elements of a dense tensor of the first shape lie in what movement operators, in order, make of it.
    ///
    /// - Returns: the strides by axis of the first shape; `nil` if they are no strided writing.
    static func writingStrides(of shape: [Int], through nodes: [(node: Node, output: [Int])]) -> [Int]? {
        guard let last = nodes.last else { return contiguousStrides(shape) }
        var view = Self(ValueID(0), last.output)
        for (index, (node, output)) in nodes.enumerated().reversed() {
            let input = index == 0 ? shape : nodes[index - 1].output
            if node.operatorType == "Transpose" {
                let permutation = permutation(node, rank: output.count)
                var (extents, strides) = (output, output)
                for (axis, place) in permutation.enumerated() {
                    extents[place] = view.shape[axis]
                    strides[place] = view.strides[axis]
                }
                (view.shape, view.strides) = (extents, strides)
            } else {
                guard let strides = view.reshapedStrides(to: input) else { return nil }
                (view.shape, view.strides) = (input, strides)
            }
        }
        return view.strides
    }

    /// Whether the node only arranges the elements of its operand anew.
    static func rearranges(_ node: Node) -> Bool {
        ["Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Identity"].contains { node.isPlain($0) }
    }

    private static func moves(_ node: Node) -> Bool {
        rearranges(node) || ["Gather", "Slice", "Split", "Expand", "Mul", "Div"].contains { node.isPlain($0) }
    }

    /// The operand whose elements are moved; for a product the one that is no constant.
    private static func movedInput(_ node: Node, _ editor: GraphEditor) -> ValueID? {
        guard let first = node.inputs.first, let first else { return nil }
        switch node.operatorType {
        case "Mul": return editor.pairs(node).first { editor.scalar($0.1) != nil }?.0
        case "Div": return editor.scalar(node.inputs.count > 1 ? node.inputs[1] : nil) != nil ? first : nil
        default: return editor.graph.constants[first] == nil ? first : nil
        }
    }

    private static func permutation(_ node: Node, rank: Int) -> [Int] {
        let given = (try? node.attributes.ints("perm")) ?? nil
        return given ?? Array((0..<rank).reversed())
    }

    private func applying(
        _ node: Node,
        _ output: ValueID,
        _ target: [Int],
        _ editor: GraphEditor,
        _ types: KnownTypes
    ) -> MovementView? {
        var result = self
        result.shape = target
        func constants(_ index: Int) -> [Int]? {
            guard node.inputs.indices.contains(index), let tensor = editor.graph.constantTensor(node.inputs[index])
            else { return nil }
            return try? tensor.integers()
        }
        switch node.operatorType {
        case "Identity": return result
        case "Reshape", "Flatten", "Squeeze", "Unsqueeze":
            guard let strides = reshapedStrides(to: target) else { return nil }
            result.strides = strides
        case "Transpose": result.strides = Self.permutation(node, rank: shape.count).map { strides[$0] }
        case "Mul", "Div":
            guard target == shape, let other = editor.pairs(node).first(where: { editor.scalar($0.1) != nil })?.1,
                let factor = editor.scalar(other), factor != 0
            else { return nil }
            result.scale *= node.operatorType == "Mul" ? factor : 1 / factor
        case "Gather":
            guard let axis = movedAxis(node), let index = constants(1), index.count == 1 else { return nil }
            let place = index[0] < 0 ? index[0] + shape[axis] : index[0]
            guard (0..<shape[axis]).contains(place) else { return nil }
            result.offset += place * strides[axis]
            if target.count < shape.count { result.strides.remove(at: axis) }
            guard result.strides.count == target.count else { return nil }
        case "Split":
            guard let axis = movedAxis(node) else { return nil }
            for id in node.outputs {
                if id == output { return result }
                guard let type = types[id] else { return nil }
                result.offset += type.shape[axis] * strides[axis]
            }
            return nil
        case "Slice":
            guard let starts = constants(1), node.inputs.count < 5 || node.inputs[4] == nil || constants(4) != nil
            else { return nil }
            let axes = constants(3) ?? Array(0..<starts.count)
            let steps = constants(4) ?? starts.map { _ in 1 }
            guard axes.count == starts.count, steps.count == starts.count,
                node.inputs.count < 4 || node.inputs[3] == nil || constants(3) != nil
            else { return nil }
            for ((axis, start), step) in zip(zip(axes, starts), steps) {
                let axis = axis < 0 ? axis + shape.count : axis
                guard shape.indices.contains(axis), step > 0 else { return nil }
                let first = start < 0 ? max(0, start + shape[axis]) : min(start, shape[axis])
                result.offset += first * strides[axis]
                result.strides[axis] *= step
            }
        case "Expand":
            let missing = target.count - shape.count
            guard missing >= 0 else { return nil }
            result.strides = target.indices.map { axis in
                axis < missing || shape[axis - missing] != target[axis] ? 0 : strides[axis - missing]
            }
        default: return nil
        }
        return result
    }

    private func movedAxis(_ node: Node) -> Int? {
        guard let axis = try? node.attributes.int("axis", default: 0) else { return nil }
        let place = axis < 0 ? axis + shape.count : axis
        return shape.indices.contains(place) ? place : nil
    }

    /// The strides of the same elements under another shape; `nil` if no strides give their order.
    private func reshapedStrides(to target: [Int]) -> [Int]? {
        guard target.reduce(1, *) == shape.reduce(1, *), !shape.contains(0) else { return nil }
        let old = shape.indices.filter { shape[$0] != 1 }
        var result = [Int](repeating: 0, count: target.count)
        var (i, j) = (0, 0)
        while i < old.count || j < target.count {
            if j < target.count, target[j] == 1 {
                j += 1
                continue
            }
            guard i < old.count, j < target.count else { return nil }
            var (oldCount, newCount) = (shape[old[i]], target[j])
            var (oldEnd, newEnd) = (i + 1, j + 1)
            while oldCount != newCount {
                if oldCount < newCount {
                    guard oldEnd < old.count, strides[old[oldEnd - 1]] == strides[old[oldEnd]] * shape[old[oldEnd]]
                    else { return nil }
                    oldCount *= shape[old[oldEnd]]
                    oldEnd += 1
                } else {
                    guard newEnd < target.count else { return nil }
                    newCount *= target[newEnd]
                    newEnd += 1
                }
            }
            var stride = strides[old[oldEnd - 1]]
            for axis in (j..<newEnd).reversed() {
                result[axis] = stride
                stride *= target[axis]
            }
            (i, j) = (oldEnd, newEnd)
        }
        return result
    }
}
