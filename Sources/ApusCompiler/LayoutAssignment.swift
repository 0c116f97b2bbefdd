import ApusDevice
import ApusGraph
import ApusLowering
import ApusOperators
import ApusTensor

/// Chooses the layout of every value of a bound graph.
struct LayoutAssignment {
    private(set) var layouts: [ValueID: Layout] = [:]

    /// - Parameter requests: by node index; `nil` for nodes that the host evaluates.
    init(_ graph: Graph, types: [ValueID: TensorType], requests: [LayoutRequests?]) {
        var haloBefore: [ValueID: [Int]] = [:]
        var haloAfter: [ValueID: [Int]] = [:]
        var haloValues: [ValueID: Int] = [:]
        for (node, request) in zip(graph.nodes, requests) {
            guard let request else { continue }
            for (position, (id, wanted)) in zip(node.inputs, request.inputs).enumerated() {
                guard let id, case .channelsLast(let before, let after) = wanted, let type = types[id] else { continue }
                let isWanted = before.contains { $0 > 0 } || after.contains { $0 > 0 }
                let value = request.haloValues[position] ?? 0
                guard !isWanted || haloValues[id] ?? value == value else { continue }
                if isWanted { haloValues[id] = value }
                haloBefore[id] = Self.maximum(haloBefore[id], before, rank: type.rank)
                haloAfter[id] = Self.maximum(haloAfter[id], after, rank: type.rank)
            }
        }
        for id in graph.inputs + Array(graph.constants.keys) {
            if let type = types[id] { layouts[id] = .canonical(type.shape) }
        }
        for (node, request) in zip(graph.nodes, requests) {
            for (index, id) in node.outputs.enumerated() {
                guard let id, let type = types[id] else { continue }
                let wanted = request?.outputs.indices.contains(index) == true ? request?.outputs[index] : .canonical
                layouts[id] =
                    isChannelsLast(wanted ?? .canonical, node, type, types)
                    ? .channelsLast(
                        type.shape,
                        haloBefore: haloBefore[id],
                        haloAfter: haloAfter[id],
                        haloValue: haloValues[id] ?? 0
                    )
                    : .canonical(type.shape)
            }
        }
    }

    private func isChannelsLast(
        _ request: LayoutRequest,
        _ node: Node,
        _ type: TensorType,
        _ types: [ValueID: TensorType]
    ) -> Bool {
        switch request {
        case .canonical: return false
        case .channelsLast: return type.rank >= 3
        case .any:
            let followed = node.inputs.first { id in
                guard let id, let operand = types[id], let layout = layouts[id] else { return false }
                return operand.rank == type.rank && (layout.isChannelsLast || operand.shape == type.shape)
            }
            return followed.flatMap { $0 }.flatMap { layouts[$0]?.isChannelsLast } ?? false
        }
    }

    private static func maximum(_ a: [Int]?, _ b: [Int], rank: Int) -> [Int] {
        let a = a ?? [Int](repeating: 0, count: rank)
        return b.count == rank ? zip(a, b).map(max) : a
    }

    /// Whether a layout serves a request.
    static func satisfies(_ layout: Layout, _ request: LayoutRequest, shape: [Int], haloValue: Int) -> Bool {
        switch request {
        case .any: true
        case .canonical: layout.isCanonical(shape)
        case .channelsLast(let before, let after):
            (layout.isChannelsLast || shape.count < 3)
                && zip(layout.haloBefore, before).allSatisfy { $0 >= $1 }
                && zip(layout.haloAfter, after).allSatisfy { $0 >= $1 }
                && (layout.haloValue == haloValue || !(before + after).contains { $0 > 0 })
        }
    }

    /// The layout that a copy for a request takes.
    static func layout(for request: LayoutRequest, shape: [Int], haloValue: Int) -> Layout {
        switch request {
        case .any, .canonical: .canonical(shape)
        case .channelsLast(let before, let after):
            .channelsLast(
                shape,
                haloBefore: before.isEmpty ? nil : before,
                haloAfter: after.isEmpty ? nil : after,
                haloValue: haloValue
            )
        }
    }
}
