import ApusGraph
import ApusONNX
import ApusTensor

/// Keeps the optimiser from removing what the target computes.
nonisolated(unsafe) public var observed = 0

/// What a value beside a model may be declared as.
private let valueTypes: [ValueType] = [
    .tensor(.float32, nil), .sequence(.tensor(.float32, nil)), .optional(.sequence(.tensor(.float32, nil))),
]

/// Imports the bytes as a model and as values beside one, and touches everything that the import made.
@_cdecl("LLVMFuzzerTestOneInput")
public func importModel(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var options = ImportOptions()
    options.maximumGeneratedBytes = 64 << 20
    options.maximumExpandedNodes = 20_000
    let bytes = [UInt8](UnsafeBufferPointer(start: start, count: count))
    for type in valueTypes {
        do {
            observed &+= touch(try ONNXImporter.value(bytes: bytes, type: type))
        } catch {
            observed &+= error.description.utf8.count
        }
    }
    do {
        let model = try ONNXImporter.load(bytes: bytes, options: options)
        observed &+= touch(model.graph) &+ model.metadata.count &+ model.opsets.count
    } catch {
        observed &+= error.description.utf8.count
    }
    return 0
}

private func touch(_ graph: Graph) -> Int {
    var total = graph.values.reduce(0) { $0 &+ $1.name.utf8.count &+ ($1.type?.description.utf8.count ?? 0) }
    for value in graph.constants.values { total &+= touch(value) }
    for id in graph.inputs + graph.outputs { total &+= graph[id].name.utf8.count }
    for node in graph.nodes {
        for id in node.reads + node.outputs.compactMap({ $0 }) { total &+= graph[id].name.utf8.count }
        for value in node.attributes.values.values {
            switch value {
            case .tensor(let tensor): total &+= touch(.tensor(tensor))
            case .stringTensor(let strings): total &+= touch(.strings(strings))
            case .tensors(let tensors): for tensor in tensors { total &+= touch(.tensor(tensor)) }
            case .graph(let subgraph): total &+= touch(subgraph.graph)
            default: total &+= 1
            }
        }
    }
    return total
}

private func touch(_ value: RuntimeValue) -> Int {
    switch value {
    case .tensor(let tensor): tensor.withUnsafeBytes { $0.reduce(0) { $0 &+ Int($1) } }
    case .strings(let strings): strings.elements.reduce(0) { $0 &+ $1.count }
    case .sequence(let values): values.reduce(1) { $0 &+ touch($1) }
    case .optional(let value): value.map { touch($0) } ?? 1
    }
}
