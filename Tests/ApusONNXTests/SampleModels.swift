import ApusGraph
import ApusONNX
import ApusONNXProto
import ApusTensor
import FoundationEssentials
import SwiftProtobuf

/// A model of one graph.
func model(opset: Int64 = 21, irVersion: Int64 = 10, _ build: (inout Onnx_GraphProto) -> Void) -> Onnx_ModelProto {
    var proto = Onnx_ModelProto()
    proto.irVersion = irVersion
    proto.opsetImport = [operatorSet("", opset)]
    proto.graph.name = "sample"
    build(&proto.graph)
    return proto
}

func operatorSet(_ domain: String, _ version: Int64) -> Onnx_OperatorSetIdProto {
    var proto = Onnx_OperatorSetIdProto()
    proto.domain = domain
    proto.version = version
    return proto
}

func node(
    _ operatorType: String,
    _ inputs: [String],
    _ outputs: [String],
    _ attributes: [Onnx_AttributeProto] = [],
    domain: String = ""
) -> Onnx_NodeProto {
    var proto = Onnx_NodeProto()
    proto.opType = operatorType
    proto.name = "\(operatorType) of \(outputs.first ?? "nothing")"
    proto.domain = domain
    proto.input = inputs
    proto.output = outputs
    proto.attribute = attributes
    return proto
}

func attribute(_ name: String, _ fill: (inout Onnx_AttributeProto) -> Void) -> Onnx_AttributeProto {
    var proto = Onnx_AttributeProto()
    proto.name = name
    fill(&proto)
    return proto
}

func int(_ name: String, _ value: Int64) -> Onnx_AttributeProto {
    attribute(name) {
        $0.type = .int
        $0.i = value
    }
}

func ints(_ name: String, _ values: [Int64]) -> Onnx_AttributeProto {
    attribute(name) {
        $0.type = .ints
        $0.ints = values
    }
}

func float(_ name: String, _ value: Float) -> Onnx_AttributeProto {
    attribute(name) {
        $0.type = .float
        $0.f = value
    }
}

func string(_ name: String, _ value: String) -> Onnx_AttributeProto {
    attribute(name) {
        $0.type = .string
        $0.s = Data(value.utf8)
    }
}

func subgraph(_ name: String, _ build: (inout Onnx_GraphProto) -> Void) -> Onnx_AttributeProto {
    attribute(name) {
        $0.type = .graph
        build(&$0.g)
    }
}

func reference(_ name: String, to other: String) -> Onnx_AttributeProto {
    attribute(name) { $0.refAttrName = other }
}

func info(_ name: String, _ type: Int32 = 1, _ dims: [Int64]? = []) -> Onnx_ValueInfoProto {
    var proto = Onnx_ValueInfoProto()
    proto.name = name
    proto.type.tensorType.elemType = type
    if let dims {
        proto.type.tensorType.shape.dim = dims.map { extent in
            var dimension = Onnx_TensorShapeProto.Dimension()
            dimension.dimValue = extent
            return dimension
        }
    }
    return proto
}

func tensor(_ name: String, _ type: Int32, _ dims: [Int64], _ fill: (inout Onnx_TensorProto) -> Void)
    -> Onnx_TensorProto
{
    var proto = Onnx_TensorProto()
    proto.name = name
    proto.dataType = type
    proto.dims = dims
    fill(&proto)
    return proto
}

func floats(_ name: String, _ dims: [Int64], _ values: [Float]) -> Onnx_TensorProto {
    tensor(name, 1, dims) { $0.rawData = values.withUnsafeBytes { Data($0) } }
}

func integers(_ name: String, _ values: [Int64]) -> Onnx_TensorProto {
    tensor(name, 7, [Int64(values.count)]) { $0.int64Data = values }
}

func entry(_ key: String, _ value: String) -> Onnx_StringStringEntryProto {
    var proto = Onnx_StringStringEntryProto()
    proto.key = key
    proto.value = value
    return proto
}

func function(
    _ name: String,
    _ inputs: [String],
    _ outputs: [String],
    attributes: [String] = [],
    _ nodes: [Onnx_NodeProto]
) -> Onnx_FunctionProto {
    var proto = Onnx_FunctionProto()
    proto.domain = "local"
    proto.name = name
    proto.input = inputs
    proto.output = outputs
    proto.attribute = attributes
    proto.opsetImport = [operatorSet("", 21), operatorSet("local", 1)]
    proto.node = nodes
    return proto
}

extension Onnx_ModelProto {
    func bytes() throws -> [UInt8] { try serializedBytes() }
}

func load(_ model: Onnx_ModelProto, options: ImportOptions = .init()) throws -> ImportedModel {
    try ONNXImporter.load(bytes: model.bytes(), options: options)
}

/// The error that importing a model ends with, `nil` if it succeeds.
func failure(_ model: Onnx_ModelProto, options: ImportOptions = .init()) throws -> ModelError? {
    failure(bytes: try model.bytes(), options: options)
}

func failure(bytes: [UInt8], options: ImportOptions = .init()) -> ModelError? {
    do throws(ModelError) {
        _ = try ONNXImporter.load(bytes: bytes, options: options)
        return nil
    } catch {
        return error
    }
}

extension Graph {
    /// The nodes, inputs and outputs by name, one line each.
    var lines: [String] {
        inputs.map { "in \(self[$0].name): \(self[$0].type?.description ?? "?")" }
            + nodes.map { node in
                let names = { (ids: [ValueID?]) in ids.map { $0.map { self[$0].name } ?? "-" }.joined(separator: " ") }
                return "\(names(node.outputs)) = \(node.displayType)(\(names(node.inputs)))"
            } + outputs.map { "out \(self[$0].name)" }
    }

    /// The integers of a constant by name.
    func integers(_ name: String) throws -> [Int64]? {
        try constant(name)?.array(of: Int64.self)
    }

    func constant(_ name: String) throws -> Tensor? {
        try constants.first { self[$0.key].name == name }?.value.tensor()
    }
}

/// A small network with most of what the importer knows, the start of truncation, bit flips and fuzzing.
let compositeModel: Onnx_ModelProto = {
    var proto = model { graph in
        graph.input = [info("x", 1, [1, 3, 4, 4]), info("condition", 9, [])]
        graph.output = [info("y", 1, nil), info("branch", 1, nil), info("called", 1, nil)]
        graph.initializer = [
            floats("w", [2, 3, 1, 1], [1, 2, 3, 4, 5, 6]),
            tensor("typed", 1, [2]) { $0.floatData = [0.5, -0.5] },
            tensor("half", 10, [2]) { $0.int32Data = [0x3C00, 0xBC00] },
            tensor("packed", 22, [3]) { $0.int32Data = [0x21, 0x03] },
            tensor("words", 8, [2]) { $0.stringData = [Data("a".utf8), Data("bc".utf8)] },
        ]
        var sparse = Onnx_SparseTensorProto()
        sparse.dims = [2, 2]
        sparse.values = floats("sparse", [1], [7])
        sparse.indices = integers("", [2])
        graph.sparseInitializer = [sparse]
        graph.valueInfo = [info("c", 1, [1, 2, 4, 4])]
        graph.node = [
            node("Conv", ["x", "w", "typed"], ["c"], [ints("kernel_shape", [1, 1]), string("auto_pad", "NOTSET")]),
            node("Constant", [], ["shape"], [ints("value_ints", [1, -1])]),
            node("Reshape", ["c", "shape"], ["y"]),
            node(
                "If",
                ["condition"],
                ["branch"],
                [
                    subgraph("then_branch") {
                        $0.node = [node("Relu", ["c"], ["t"])]
                        $0.output = [info("t", 1, nil)]
                    },
                    subgraph("else_branch") {
                        $0.initializer = [floats("two", [], [2])]
                        $0.node = [node("Mul", ["y", "two"], ["e"])]
                        $0.output = [info("e", 1, nil)]
                    },
                ]
            ),
            node("Scaled", ["y"], ["called"], [float("factor", 3)], domain: "local"),
        ]
    }
    proto.opsetImport.append(operatorSet("local", 1))
    proto.functions = [
        function(
            "Scaled",
            ["a"],
            ["b"],
            attributes: ["factor"],
            [
                node("Constant", [], ["f"], [reference("value_float", to: "factor")]),
                node("Mul", ["a", "f"], ["b"]),
            ]
        )
    ]
    proto.metadataProps = [entry("task", "test")]
    return proto
}()
