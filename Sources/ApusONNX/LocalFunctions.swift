import ApusONNXProto
import ApusTensor

/// The functions that a model defines.
struct LocalFunctions {
    /// What a node calls a function by.
    struct Key: Hashable {
        var domain: String
        var name: String
        var overload: String
    }

    /// A function and the operator sets of its body.
    struct Function {
        var proto: Onnx_FunctionProto
        var opsets: [String: Int]
    }

    private var functions: [Key: Function] = [:]

    /// - Throws: `ModelError` if a function is defined twice or calls itself, directly or not.
    init(_ protos: [Onnx_FunctionProto], _ modelOpsets: [String: Int]) throws(ModelError) {
        var keys: [Key] = []
        for proto in protos {
            let key = Key(
                domain: ONNXImporter.canonicalDomain(proto.domain),
                name: proto.name,
                overload: proto.overload
            )
            let opsets = try ONNXImporter.operatorSets(proto.opsetImport).merging(modelOpsets) { own, _ in own }
            guard functions.updateValue(Function(proto: proto, opsets: opsets), forKey: key) == nil else {
                throw ModelError(.invalidModel, "the function \(quoted(proto.name)) is defined twice")
            }
            keys.append(key)
        }
        try checkCycles(keys)
    }

    /// The function that a node calls, if it calls one.
    subscript(_ node: Onnx_NodeProto) -> Function? {
        functions.isEmpty ? nil : functions[Self.key(node)]
    }

    private static func key(_ node: Onnx_NodeProto) -> Key {
        Key(domain: ONNXImporter.canonicalDomain(node.domain), name: node.opType, overload: node.overload)
    }

    private func checkCycles(_ keys: [Key]) throws(ModelError) {
        var finished: Set<Key> = []
        var active: Set<Key> = []
        for root in keys where !finished.contains(root) {
            var stack = [(key: root, callees: callees(root)[...])]
            active.insert(root)
            while let top = stack.last {
                guard let callee = top.callees.first else {
                    active.remove(top.key)
                    finished.insert(top.key)
                    stack.removeLast()
                    continue
                }
                stack[stack.count - 1].callees.removeFirst()
                guard !active.contains(callee) else {
                    throw ModelError(.invalidModel, "the function \(quoted(callee.name)) calls itself")
                }
                guard !finished.contains(callee) else { continue }
                active.insert(callee)
                stack.append((callee, callees(callee)[...]))
            }
        }
    }

    private func callees(_ key: Key) -> [Key] {
        var found: Set<Key> = []
        var pending = functions[key].map { [$0.proto.node] } ?? []
        for defaults in functions[key]?.proto.attributeProto ?? [] {
            pending += ([defaults.g] + defaults.graphs).map(\.node)
        }
        while let nodes = pending.popLast() {
            for node in nodes {
                let key = Self.key(node)
                if functions[key] != nil { found.insert(key) }
                for attribute in node.attribute {
                    if attribute.hasG { pending.append(attribute.g.node) }
                    pending += attribute.graphs.map(\.node)
                }
            }
        }
        return Array(found)
    }
}
