import ApusGraph
import ApusONNXProto
import ApusTensor
import FoundationEssentials

extension GraphImporter {
    /// The attributes of a node.
    ///
    /// - Throws: `ModelError` if one is given twice or its data is not of its type.
    func attributes(_ node: Onnx_NodeProto, _ scope: Scope) throws(ModelError) -> [String: AttributeValue] {
        var result: [String: AttributeValue] = [:]
        for proto in node.attribute {
            guard let bound = try scope.bound(proto) else { continue }
            let value: AttributeValue
            do {
                value = try attribute(bound, scope)
            } catch {
                throw error.node == nil ? error.inside("attribute \(quoted(proto.name))") : error
            }
            guard result.updateValue(value, forKey: proto.name) == nil else {
                throw ModelError(.invalidModel, "attribute \(quoted(proto.name)) is given twice")
            }
        }
        return result
    }

    /// The value of a `Constant` node.
    ///
    /// - Throws: `ModelError` unless exactly one of the attributes that hold a value is given.
    func constant(_ node: Onnx_NodeProto, _ scope: Scope) throws(ModelError) -> RuntimeValue {
        let values = try attributes(node, scope)
        guard values.count == 1, let (name, value) = values.first else {
            throw ModelError(.invalidModel, "a constant has \(values.count) values")
        }
        switch (name, value) {
        case ("value", .tensor(let tensor)), ("sparse_value", .tensor(let tensor)): return .tensor(tensor)
        case ("value", .stringTensor(let strings)): return .strings(strings)
        case ("value_float", .float(let value)): return .tensor(Tensor(scalar: value))
        case ("value_floats", .floats(let values)): return .tensor(Tensor(vector: values))
        case ("value_int", .int(let value)): return .tensor(Tensor(scalar: value))
        case ("value_ints", .ints(let values)): return .tensor(Tensor(vector: values))
        case ("value_string", .string(let value)): return .strings(try StringTensor(shape: [], [value]))
        case ("value_strings", .strings(let values)):
            return .strings(try StringTensor(shape: [values.count], values))
        default: throw ModelError(.invalidModel, "attribute \(quoted(name)) is no value of a constant")
        }
    }

    private func attribute(_ bound: Scope.BoundAttribute, _ scope: Scope) throws(ModelError) -> AttributeValue {
        let proto = bound.proto
        if !scope.prefix.isEmpty { try chargeExpansion(nodes: 0, bytes: proto.copiedByteCount) }
        switch try proto.kind() {
        case .float: return .float(proto.f)
        case .int: return .int(proto.i)
        case .string: return .string([UInt8](proto.s))
        case .floats: return .floats(proto.floats)
        case .ints: return .ints(proto.ints)
        case .strings: return .strings(proto.strings.map { [UInt8]($0) })
        case .tensor: return try tensor(tensors.value(proto.t))
        case .sparseTensor: return try tensor(tensors.value(proto.sparseTensor))
        case .tensors:
            return .tensors(
                try proto.tensors.map { proto throws(ModelError) in
                    guard case .tensor(let tensor) = try tensors.value(proto) else {
                        throw ModelError(.unsupported, "lists of string tensors are not supported")
                    }
                    return tensor
                }
            )
        case .graph: return .graph(try subgraph(proto.g, bound.origin, in: scope.context))
        case .typeProto:
            guard let type = try ValueType(proto.tp) else {
                throw ModelError(.unsupported, "the type is neither a tensor, a sequence nor an optional")
            }
            return .type(type)
        case .graphs, .sparseTensors, .typeProtos, .undefined:
            throw ModelError(.unsupported, "its type is not supported")
        }
    }

    private func tensor(_ value: RuntimeValue) throws(ModelError) -> AttributeValue {
        switch value {
        case .tensor(let tensor): .tensor(tensor)
        case .strings(let strings): .stringTensor(strings)
        case .sequence, .optional: throw ModelError(.invalidModel, "expected a tensor, found \(value.kind)")
        }
    }
}

extension Onnx_AttributeProto {
    /// The type of the attribute: the declared one, or that of its only data in models too old to declare it.
    ///
    /// - Throws: `ModelError` if it has data of another type.
    fileprivate func kind() throws(ModelError) -> AttributeType {
        var found: [AttributeType] = []
        if hasF { found.append(.float) }
        if hasI { found.append(.int) }
        if hasS { found.append(.string) }
        if hasT { found.append(.tensor) }
        if hasG { found.append(.graph) }
        if hasTp { found.append(.typeProto) }
        if hasSparseTensor { found.append(.sparseTensor) }
        if !floats.isEmpty { found.append(.floats) }
        if !ints.isEmpty { found.append(.ints) }
        if !strings.isEmpty { found.append(.strings) }
        if !tensors.isEmpty { found.append(.tensors) }
        if !graphs.isEmpty { found.append(.graphs) }
        if !typeProtos.isEmpty { found.append(.typeProtos) }
        if !sparseTensors.isEmpty { found.append(.sparseTensors) }
        let declared = type == .undefined ? found.first : type
        guard let declared, found.isEmpty || found == [declared] else {
            throw ModelError(.invalidModel, "its data is not of its type")
        }
        return declared
    }

    /// The bytes that an import of the attribute copies.
    fileprivate var copiedByteCount: Int {
        s.count + 8 * (floats.count + ints.count) + strings.reduce(0) { $0 + 16 + $1.count }
            + tensors.reduce(t.copiedByteCount) { $0 + $1.copiedByteCount }
    }
}
