package import ApusGraph
import ApusONNXProto
package import ApusTensor
import FoundationEssentials
import SwiftProtobuf

/// Writes graphs as ONNX models of the newest opset.
package enum ONNXExporter {
    /// IR version 10 knows every construct that is written.
    private static let irVersion: Int64 = 10

    /// Serialises a graph: constants become initializers, values keep their names where they have one of their own.
    ///
    /// - Throws: `ModelError` with code `unsupported` for what only passes make (fused formulas, internal operators) and
    ///   for constants that are no tensors, `limitExceeded` if the model is too large for a protobuf message.
    package static func bytes(of graph: Graph) throws(ModelError) -> [UInt8] {
        let writer = GraphWriter()
        var model = Onnx_ModelProto()
        model.irVersion = irVersion
        model.producerName = "apus"
        model.graph = try writer.message(of: graph, captured: [:])
        for domain in writer.domains.union([""]).sorted() {
            var opset = Onnx_OperatorSetIdProto()
            opset.domain = domain
            opset.version = domain.isEmpty ? Int64(ONNXImporter.opsets.upperBound) : 1
            model.opsetImport.append(opset)
        }
        do {
            return try model.serializedBytes()
        } catch {
            throw ModelError(.limitExceeded, "the model is too large for a protobuf message")
        }
    }
}

/// Turns graphs into messages; names are unique over a model and its subgraphs.
private final class GraphWriter {
    private var used: Set<String> = []
    private var depth = -1
    private(set) var domains: Set<String> = []

    /// The names of the values of one graph.
    private final class Scope {
        let graph: Graph
        var names: [ValueID: String]

        init(_ graph: Graph, _ names: [ValueID: String]) {
            self.graph = graph
            self.names = names
        }
    }

    /// - Parameter captured: the names of inputs that stand for values of an outer graph.
    func message(of graph: Graph, captured: [ValueID: String]) throws(ModelError) -> Onnx_GraphProto {
        let scope = Scope(graph, captured)
        depth += 1
        defer { depth -= 1 }
        var proto = Onnx_GraphProto()
        proto.name = graph.name.isEmpty ? "graph" : graph.name
        for id in graph.inputs where captured[id] == nil {
            if depth == 0, graph[id].type == nil {
                throw ModelError(.unsupported, "the input \"\(graph[id].name)\" has no type")
            }
            proto.input.append(valueInfo(name(id, scope), graph[id].type))
        }
        let read = Set(graph.nodes.flatMap(\.reads)).union(graph.outputs)
        for (id, value) in graph.constants.sorted(by: { $0.key < $1.key }) where read.contains(id) {
            switch value {
            case .tensor, .strings: proto.initializer.append(ONNXImporter.tensor(value, name: name(id, scope)))
            case .sequence, .optional:
                throw ModelError(.unsupported, "the constant \"\(graph[id].name)\" is \(value.kind)")
            }
        }
        for node in graph.nodes {
            do {
                proto.node.append(try message(of: node, scope))
            } catch {
                throw error.at(node: node.name, operatorType: node.displayType)
            }
        }
        var listed: Set<String> = []
        for id in graph.outputs {
            var output = name(id, scope)
            if captured[id] != nil || !listed.insert(output).inserted {
                // ONNX lets a graph neither return what it captures nor list an output twice.
                var copy = Onnx_NodeProto()
                copy.opType = "Identity"
                copy.input = [output]
                output = unique(output)
                copy.output = [output]
                proto.node.append(copy)
            }
            proto.output.append(valueInfo(output, graph[id].type))
        }
        return proto
    }

    private func message(of node: Node, _ scope: Scope) throws(ModelError) -> Onnx_NodeProto {
        guard node.epilogue == nil, node.domain != "apus" else {
            throw ModelError(.unsupported, "ONNX has no operator for what passes make")
        }
        domains.insert(node.domain)
        var proto = Onnx_NodeProto()
        proto.name = node.name
        proto.domain = node.domain
        proto.opType = node.operatorType
        proto.input = node.inputs.map { $0.map { name($0, scope) } ?? "" }
        proto.output = node.outputs.map { $0.map { name($0, scope) } ?? "" }
        while proto.input.last == "" { proto.input.removeLast() }
        while proto.output.last == "" { proto.output.removeLast() }
        for (attribute, value) in node.attributes.values.sorted(by: { $0.key < $1.key }) {
            proto.attribute.append(try message(of: value, attribute, scope))
        }
        return proto
    }

    private func message(
        of value: AttributeValue,
        _ name: String,
        _ scope: Scope
    ) throws(ModelError) -> Onnx_AttributeProto {
        var proto = Onnx_AttributeProto()
        proto.name = name
        switch value {
        case .int(let value): (proto.type, proto.i) = (.int, value)
        case .float(let value): (proto.type, proto.f) = (.float, value)
        case .string(let value): (proto.type, proto.s) = (.string, Data(value))
        case .ints(let values): (proto.type, proto.ints) = (.ints, values)
        case .floats(let values): (proto.type, proto.floats) = (.floats, values)
        case .strings(let values): (proto.type, proto.strings) = (.strings, values.map { Data($0) })
        case .tensor(let tensor): (proto.type, proto.t) = (.tensor, ONNXImporter.tensor(.tensor(tensor)))
        case .stringTensor(let strings): (proto.type, proto.t) = (.tensor, ONNXImporter.tensor(.strings(strings)))
        case .tensors(let tensors):
            (proto.type, proto.tensors) = (.tensors, tensors.map { ONNXImporter.tensor(.tensor($0)) })
        case .type(let type): (proto.type, proto.tp) = (.typeProto, typeMessage(type))
        case .graph(let subgraph):
            let formal = subgraph.graph.inputs.count - subgraph.captures.count
            var captured: [ValueID: String] = [:]
            for (inner, outer) in zip(subgraph.graph.inputs.dropFirst(formal), subgraph.captures) {
                captured[inner] = self.name(outer, scope)
            }
            proto.type = .graph
            proto.g = try message(of: subgraph.graph, captured: captured)
        case .expression: throw ModelError(.unsupported, "ONNX has no formulas")
        }
        return proto
    }

    private func name(_ id: ValueID, _ scope: Scope) -> String {
        if let name = scope.names[id] { return name }
        let own = scope.graph[id].name
        let name = unique(own.isEmpty ? "value_\(id.index)" : own)
        scope.names[id] = name
        return name
    }

    private func unique(_ base: String) -> String {
        var name = base
        var number = 1
        while !used.insert(name).inserted {
            name = "\(base)_\(number)"
            number += 1
        }
        return name
    }

    private func valueInfo(_ name: String, _ type: ValueType?) -> Onnx_ValueInfoProto {
        var proto = Onnx_ValueInfoProto()
        proto.name = name
        if let type { proto.type = typeMessage(type) }
        return proto
    }

    private func typeMessage(_ type: ValueType) -> Onnx_TypeProto {
        var proto = Onnx_TypeProto()
        switch type {
        case .tensor(let elementType, let shape):
            proto.tensorType.elemType = elementType.rawValue
            guard let shape else { break }
            proto.tensorType.shape = Onnx_TensorShapeProto()
            for extent in shape {
                var dimension = Onnx_TensorShapeProto.Dimension()
                switch extent {
                case .known(let value): dimension.dimValue = Int64(value)
                case .symbol(let name): dimension.dimParam = name
                case .unknown: break
                }
                proto.tensorType.shape.dim.append(dimension)
            }
        case .sequence(let element): proto.sequenceType.elemType = typeMessage(element)
        case .optional(let element): proto.optionalType.elemType = typeMessage(element)
        }
        return proto
    }
}
