import ApusONNXProto
import ApusTensor
import Foundation
import SwiftProtobuf
import Testing

/// What the command says and how it ends when something is wrong.
@Suite(.serialized) struct FailureTests {
    /// A chain of nodes over `float32[n]`.
    private func model(_ types: [String]) throws -> [UInt8] {
        var model = Onnx_ModelProto()
        model.irVersion = 10
        var opset = Onnx_OperatorSetIdProto()
        opset.version = 21
        model.opsetImport = [opset]
        var graph = Onnx_GraphProto()
        graph.name = "chain"
        for (index, type) in types.enumerated() {
            var node = Onnx_NodeProto()
            node.name = "node\(index)"
            node.opType = type
            node.input = ["v\(index)"]
            node.output = ["v\(index + 1)"]
            graph.node.append(node)
        }
        func port(_ name: String) -> Onnx_ValueInfoProto {
            var dimension = Onnx_TensorShapeProto.Dimension()
            dimension.dimParam = "n"
            var port = Onnx_ValueInfoProto()
            port.name = name
            port.type.tensorType.elemType = 1
            port.type.tensorType.shape.dim = [dimension]
            return port
        }
        graph.input = [port("v0")]
        graph.output = [port("v\(types.count)")]
        model.graph = graph
        return try model.serializedBytes()
    }

    @Test(arguments: ["inspect", "check", "run", "bench", "compare"])
    func badFilesAreNamed(_ command: String) throws {
        let folder = try TemporaryFolder()
        let bytes = try Data(contentsOf: URL(filePath: Paths.digits))
        let empty = try folder.write([], "empty.onnx")
        let half = try folder.write(bytes.prefix(bytes.count / 2), "half.onnx")
        let text = try folder.write("This is no model.\n".utf8, "text.onnx")
        try expectFailure([command, "/no/such.onnx"], status: 1, ["/no/such.onnx", "No such file"])
        try expectFailure([command, empty], status: 1, ["empty.onnx", "empty"])
        try expectFailure([command, half], status: 1, ["half.onnx"])
        try expectFailure([command, text], status: 1, ["text.onnx"])
        try expectFailure([command, folder.path], status: 1, [folder.path, "regular file"])
    }

    @Test func checkListsEveryUnknownOperatorAtOnce() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(model(["Relu", "Frobnicate", "Abs", "Wibble"]), "unknown.onnx")
        let result = try apus(["check", path])
        #expect(result.status == 1, "\(result)")
        for word in ["node1", "Frobnicate", "node3", "Wibble"] {
            #expect(result.output.contains(word), "\(word) in \(result)")
        }
        #expect(!result.output.contains("node2"))
        #expect(result.error.contains("unknown.onnx") && result.error.contains("2 of 4"), "\(result)")
        let input = try folder.write(Tensor(vector: [1] as [Float]), "input.npy")
        try expectFailure(["run", path, "--input", "v0=\(input)"], status: 1, ["unknown.onnx", "node1", "Frobnicate"])
        try expectFailure(["bench", path], status: 1, ["unknown.onnx", "node1", "Frobnicate"])
        let inspected = try apus(["inspect", path])
        #expect(inspected.status == 0 && inspected.output.contains("Wibble"), "\(inspected)")
    }

    @Test func aModelOfKnownOperatorsRuns() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(model(["Relu", "Neg"]), "known.onnx")
        let input = try folder.write(Tensor(vector: [-1, 2, -3, 4] as [Float]), "input.npy")
        let result = try apus(["run", path, "--input", "v0=\(input)", "--output-dir", folder.path])
        #expect(result.status == 0, "\(result)")
        let output = try Npy.read(path: folder.path + "/v2.npy").array(of: Float.self)
        #expect(output == [0, -2, 0, -4])
    }

    @Test func wrongInputsAreNamed() throws {
        let folder = try TemporaryFolder()
        let shape = try folder.write(Tensor(zeros: TensorType(.float32, [1, 1, 8, 7])), "shape.npy")
        let type = try folder.write(Tensor(zeros: TensorType(.float64, [1, 1, 8, 8])), "type.npy")
        let good = try folder.write(Tensor(zeros: TensorType(.float32, [1, 1, 8, 8])), "good.npy")
        let cut = try folder.write(Npy.encode(Tensor(zeros: TensorType(.float32, [1, 1, 8, 8]))).dropLast(), "cut.npy")
        let other = try folder.write([1, 2, 3], "other.bin")
        let run = ["run", Paths.digits]
        try expectFailure(run, status: 1, ["\"image\"", "missing"])
        try expectFailure(run + ["--input", "picture=\(good)"], status: 1, ["\"picture\"", "\"image\""])
        try expectFailure(
            run + ["--input", "image=\(shape)"],
            status: 1,
            ["\"image\"", "float32[batch,1,8,8]", "float32[1,1,8,7]"]
        )
        try expectFailure(run + ["--input", "image=\(type)"], status: 1, ["\"image\"", "float64[1,1,8,8]"])
        try expectFailure(run + ["--input", "image=\(cut)"], status: 1, ["cut.npy", "256", "255"])
        try expectFailure(run + ["--input", "image=\(other)"], status: 1, ["other.bin", ".npy"])
        try expectFailure(run + ["--input", "image=/no/such.npy"], status: 1, ["/no/such.npy"])
    }

    @Test func badPicturesAreNamed() throws {
        let folder = try TemporaryFolder()
        let bytes = try Data(contentsOf: URL(filePath: Paths.picture))
        let cut = try folder.write(bytes.prefix(bytes.count / 2), "cut.png")
        let text = try folder.write("no picture".utf8, "text.png")
        let empty = try folder.write([], "empty.png")
        for path in [cut, text, empty, "/no/such.png"] {
            try expectFailure(["run", Paths.digits, "--image", path], status: 1, [path])
        }
    }

    @Test func wrongOptionsAreUsageErrors() throws {
        for arguments in [
            ["run", Paths.digits, "--shape", "image=1xfoo"], ["run", Paths.digits, "--shape", "image"],
            ["run", Paths.digits, "--input", "image"], ["run", Paths.digits, "--device", "toaster"],
            ["run", Paths.digits, "--no-such-option"], ["run"], ["no-such-command"],
            ["bench", Paths.digits, "--iterations", "0"], ["bench", Paths.digits, "--iterations", "many"],
            ["check", Paths.digits, "--fallback", "perhaps"],
            ["run", Paths.digits, "--image", Paths.picture, "--mean", "a,b"],
        ] {
            let result = try apus(arguments)
            #expect(result.status == 64, "\(arguments) \(result)")
            #expect(!result.error.isEmpty, "\(arguments)")
            #expect(result.output.isEmpty, "\(arguments) \(result)")
        }
    }

    @Test func shapesThatDoNotFitAreNamed() throws {
        for command in ["check", "bench", "compare"] {
            try expectFailure(
                [command, Paths.digits, "--shape", "image=1x1x9x9"],
                status: 1,
                ["\"image\"", "float32[batch,1,8,8]", "[1, 1, 9, 9]"]
            )
            try expectFailure([command, Paths.digits, "--shape", "picture=1x1x8x8"], status: 1, ["\"picture\""])
        }
        try expectFailure(
            ["bench", Paths.digits, "--shape", "image=9999999999999x1x8x8"],
            status: 1,
            ["image"]
        )
    }

    @Test func unknownPassesAndDevicesAreListed() throws {
        let image = ["--image", Paths.picture]
        try expectFailure(
            ["run", Paths.digits, "--disable-pass", "frobnicate"] + image,
            status: 1,
            ["frobnicate", "epilogue"]
        )
        try expectFailure(
            ["run", Paths.digits, "--device", "opencl:99"] + image,
            status: 3,
            ["opencl:99", "opencl:0"]
        )
        try expectFailure(["run", Paths.digits, "--device", "opencl:nobody"] + image, status: 3, ["opencl:nobody"])
    }

    @Test func nothingIsWrittenHalfWay() throws {
        let folder = try TemporaryFolder()
        let image = ["--image", Paths.picture]
        let output = ["--output-dir", folder.path + "/out", "--json", folder.path + "/report.json"]
        try expectFailure(["run", Paths.digits, "--device", "opencl:99"] + image + output, status: 3, ["opencl:99"])
        try expectFailure(["run", Paths.digits] + output, status: 1, ["missing"])
        try expectFailure(["run", Paths.digits, "--timeout", "0"] + image + output, status: 1, ["deadline"])
        try expectFailure(["bench", "/no/such.onnx", "--json", folder.path + "/bench.json"], status: 1, ["such.onnx"])
        #expect(folder.files.isEmpty)
        try expectFailure(["run", Paths.digits, "--output-dir", "/proc/apus"] + image, status: 1, ["/proc/apus"])
        try expectFailure(["run", Paths.digits, "--json", "/no/such/report.json"] + image, status: 1, ["report.json"])
    }
}
