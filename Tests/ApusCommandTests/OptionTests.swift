import ApusONNXProto
import ApusTensor
import Foundation
import SwiftProtobuf
import Testing

/// The options that every command shares, and values that `.npy` cannot hold.
@Suite(.serialized) struct OptionTests {
    /// Inputs `x=y` float32[n] and `list` sequence(float32); outputs a longer sequence, an optional, and narrow types.
    private func valuesModel() throws -> [UInt8] {
        var model = Onnx_ModelProto()
        model.irVersion = 10
        var opset = Onnx_OperatorSetIdProto()
        opset.version = 21
        model.opsetImport = [opset]
        var graph = Onnx_GraphProto()
        graph.name = "values"
        func node(_ type: String, _ inputs: [String], _ output: String, to: Int64? = nil) {
            var node = Onnx_NodeProto()
            node.name = "make_" + output
            node.opType = type
            node.input = inputs
            node.output = [output]
            if let to {
                var attribute = Onnx_AttributeProto()
                attribute.name = "to"
                attribute.type = .int
                attribute.i = to
                node.attribute = [attribute]
            }
            graph.node.append(node)
        }
        node("SequenceInsert", ["list", "x=y"], "longer")
        node("Optional", ["x=y"], "maybe")
        node("Cast", ["x=y"], "brain", to: 16)
        node("Cast", ["x=y"], "nibbles", to: 22)
        var tensor = Onnx_TypeProto()
        tensor.tensorType.elemType = 1
        var sequence = Onnx_TypeProto()
        sequence.sequenceType.elemType = tensor
        var optional = Onnx_TypeProto()
        optional.optionalType.elemType = tensor
        func port(_ name: String, _ type: Onnx_TypeProto) -> Onnx_ValueInfoProto {
            var port = Onnx_ValueInfoProto()
            port.name = name
            port.type = type
            return port
        }
        func narrow(_ code: Int32) -> Onnx_TypeProto {
            var type = Onnx_TypeProto()
            type.tensorType.elemType = code
            return type
        }
        graph.input = [port("x=y", tensor), port("list", sequence)]
        graph.output = [
            port("longer", sequence), port("maybe", optional), port("brain", narrow(16)), port("nibbles", narrow(22)),
        ]
        model.graph = graph
        return try model.serializedBytes()
    }

    private func tensorProto(_ values: [Float]) -> Onnx_TensorProto {
        var proto = Onnx_TensorProto()
        proto.dims = [Int64(values.count)]
        proto.dataType = 1
        proto.floatData = values
        return proto
    }

    private func read<Proto: Message>(_ path: String, _: Proto.Type) throws -> Proto {
        try Proto(serializedBytes: Data(contentsOf: URL(filePath: path)))
    }

    @Test(arguments: ["reference", "opencl:0"])
    func sequencesAndNarrowTypesAreReadAndWritten(_ device: String) throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(valuesModel(), "values.onnx")
        var list = Onnx_SequenceProto()
        list.elemType = 1
        list.tensorValues = [tensorProto([5]), tensorProto([])]
        let listPath = try folder.write(list.serializedBytes() as [UInt8], "list=1.pb")
        let x = try folder.write(Tensor(vector: [Float(9), -1]), "x=y=z.npy")
        let out = folder.path + "/out"
        let run = ["run", path, "--device", device, "--input", "list=\(listPath)", "--output-dir", out]
        let result = try apus(run + ["--input", "x=y=\(x)"])
        #expect(result.status == 0, "\(result)")
        let longer = try read(out + "/longer.pb", Onnx_SequenceProto.self)
        #expect(longer.elemType == 1 && longer.tensorValues.map(\.dims) == [[1], [0], [2]])
        let maybe = try read(out + "/maybe.pb", Onnx_OptionalProto.self)
        #expect(maybe.elemType == 1 && maybe.tensorValue.rawData.count == 8)
        #expect(try read(out + "/brain.pb", Onnx_TensorProto.self).rawData == Data([0x10, 0x41, 0x80, 0xBF]))
        let nibbles = try read(out + "/nibbles.pb", Onnx_TensorProto.self)
        #expect(nibbles.dataType == 22 && nibbles.rawData == Data([0xF9]))

        try expectFailure(run + ["--input", "y=\(x)"], status: 1, ["\"y\"", "\"x=y\"", "\"list\"", "sequence"])
        try expectFailure(
            ["run", path, "--input", "x=y=\(x)", "--input", "list=\(x)"],
            status: 1,
            ["\"list\"", "sequence(float32[...])", "float32[2]"]
        )
        let bad = try folder.write("no value at all".utf8, "bad.pb")
        try expectFailure(["run", path, "--input", "list=\(bad)"], status: 1, ["bad.pb", "not an ONNX value"])
    }

    @Test func threadsBoundTheReferenceAndTheDevice() throws {
        for device in ["reference", "opencl:cpu"] {
            for threads in ["1", "2"] {
                let result = try apus(
                    [
                        "run", Paths.digits, "--image", Paths.picture, "--top", "1", "--device", device, "--threads",
                        threads,
                    ]
                )
                #expect(result.status == 0 && result.output.contains("1. three"), "\(result)")
            }
        }
        #expect(try apus(["check", Paths.digits, "--threads", "0"]).status == 64)
    }

    @Test func precisionsAndPlacementsThatAreNotThereAreRefused() throws {
        let bench = ["bench", Paths.digits, "--iterations", "10"]
        let json = try apus(bench + ["--precision", "fp32", "--placement", "single", "--json", "-"]).json()
        #expect(json["precision"] as? String == "fp32")
        for precision in ["tf32", "int8"] {
            try expectFailure(bench + ["--precision", precision], status: 1, [precision, "fp32, bf16 and fp16"])
        }
        try expectFailure(bench + ["--placement", "latency"], status: 1, ["latency", "single"])
        #expect(try apus(bench + ["--precision", "fp99"]).status == 64)
        let folder = try TemporaryFolder()
        let path = try folder.write(valuesModel(), "values.onnx")
        try expectFailure(["check", path, "--precision", "fp32"], status: 1, ["bfloat16", "values.onnx"])
    }

    @Test(arguments: ["bench", "compare", "run"])
    func timeIsLimited(_ command: String) throws {
        let image = command == "run" ? ["--image", Paths.picture] : []
        try expectFailure([command, Paths.digits, "--timeout", "0"] + image, status: 1, ["deadline"])
        #expect(try apus([command, Paths.digits, "--timeout=-1"] + image).status == 64)
        #expect(try apus([command, Paths.digits, "--timeout", "100"] + image).status == 0)
    }

    @Test func theReferenceIsProfiledByNode() throws {
        let run = ["run", Paths.digits, "--image", Paths.picture, "--device", "reference", "--profile-layers"]
        let result = try apus(run)
        #expect(result.status == 0, "\(result)")
        for word in ["Conv", "BatchNormalization", "reference", "in 21 layers"] {
            #expect(result.output.contains(word), "\(word) in \(result)")
        }
        let json = try apus(
            ["bench", Paths.digits, "--device", "reference", "--iterations", "1", "--profile-layers", "--json", "-"]
        ).json()
        let layers = try #require(json["layers"] as? [[String: Any]])
        #expect(layers.count == 21 && layers.allSatisfy { ($0["milliseconds"] as? Double ?? 0) > 0 })
    }

    @Test func reportsOfTheGraphAreWrittenToo() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/report.json"
        let dot = try apus(["inspect", Paths.digits, "--dot", "--json", path])
        #expect(dot.status == 0 && dot.output.hasPrefix("digraph {"), "\(dot)")
        #expect(folder.files == ["report.json"])
        let compared = try apus(["compare", Paths.digits, "--json", path])
        #expect(compared.status == 0 && compared.output.contains("layers compared"), "\(compared)")
        let bytes = try Data(contentsOf: URL(filePath: path))
        let report = try #require(try JSONSerialization.jsonObject(with: bytes) as? [String: Any])
        let layers = try #require(report["layers"] as? [[String: Any]])
        #expect((report["fusedValues"] as? Int ?? 0) + layers.count == 21)
        let difference = try #require(layers.last?["difference"] as? [String: Any])
        #expect(difference["elementCount"] as? Int == 10 && difference["relativeL2"] != nil)
    }
}
