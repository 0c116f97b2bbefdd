import ApusGraph
import ApusLowering
import ApusOperators
import ApusTensor

extension GraphPass {
    /// Marks convolutions with the largest tile of Winograd's algorithm that the error bound leaves them.
    ///
    /// The mark is the attribute `winogradTile`; whether and with which tile the algorithm is used is up to lowering.
    /// The larger tile goes to the convolutions with most work first, as long as the relative errors to expect of all of
    /// them, which are independent of one another, add up to less than 1e-5: a tenth of what a network's output may show.
    /// Values that are stored in 16 bits cost more than that by themselves; the products are float32 there too.
    package static let winograd = GraphPass(
        name: "winograd",
        summary: "3x3 convolutions with stride 1 may use Winograd's algorithm, at a relative error of about 1e-6 each"
    ) { graph, context throws(ModelError) in
        let known = KnownTypes(graph, context)
        var result = graph
        var candidates: [(index: Int, work: Int, squaredError: Double)] = []
        for (index, node) in graph.nodes.enumerated() {
            guard isWinogradCandidate(node), let weights = known[node.inputs[1]], let output = known[node.outputs[0]],
                weights.rank == 4, weights.shape[2...] == [3, 3]
            else { continue }
            if weights.elementType == .float16 || weights.elementType == .bfloat16 {
                result.nodes[index].attributes[winogradTileAttribute] = .int(4)
                continue
            }
            guard weights.elementType == .float32 else { continue }
            let work = weights.elementCount.multipliedReportingOverflow(by: output.shape[2...].reduce(1, *))
            let error = 7.5e-8 * Double(weights.shape[1]).squareRoot()
            candidates.append((index, work.overflow ? Int.max : work.partialValue, error * error))
        }
        var budget = 1e-10
        for candidate in candidates.sorted(by: { ($1.work, $0.index) < ($0.work, $1.index) }) {
            let isLarge = candidate.squaredError <= budget
            if isLarge { budget -= candidate.squaredError }
            result.nodes[candidate.index].attributes[winogradTileAttribute] = .int(isLarge ? 4 : 2)
        }
        return result
    }

    private static func isWinogradCandidate(_ node: Node) -> Bool {
        guard node.domain.isEmpty, node.operatorType == "Conv", node.inputs.count > 1, !node.outputs.isEmpty,
            (try? node.attributes.int("group", default: 1)) == 1
        else { return false }
        return ["strides", "dilations"].allSatisfy { name in
            (try? node.attributes.ints(name)?.allSatisfy { $0 == 1 } ?? true) ?? false
        }
    }
}
