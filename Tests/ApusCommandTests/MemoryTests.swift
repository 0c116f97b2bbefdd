import ApusONNXProto
import Foundation
import SwiftProtobuf
import Testing

/// What a large model costs in memory, in processes of its own.
@Suite(.serialized) struct MemoryTests {
    private static let rows = 3200
    private static let columns = 4800

    /// Two matrix products, one of them with its weight transposed.
    private static func write(to folder: TemporaryFolder) throws -> (path: String, byteCount: Int) {
        var model = Onnx_ModelProto()
        model.irVersion = 10
        var opset = Onnx_OperatorSetIdProto()
        opset.version = 21
        model.opsetImport = [opset]
        model.graph.name = "large"
        func value(_ name: String, _ shape: [Int64]) -> Onnx_ValueInfoProto {
            var value = Onnx_ValueInfoProto()
            value.name = name
            value.type.tensorType.elemType = 1
            value.type.tensorType.shape.dim = shape.map { extent in
                var dimension = Onnx_TensorShapeProto.Dimension()
                dimension.dimValue = extent
                return dimension
            }
            return value
        }
        func weight(_ name: String, _ shape: [Int]) -> Onnx_TensorProto {
            var tensor = Onnx_TensorProto()
            tensor.name = name
            tensor.dims = shape.map { Int64($0) }
            tensor.dataType = 1
            let count = shape.reduce(1, *)
            let elements = (0..<count).map { Float(Int32(truncatingIfNeeded: $0 &* 1_103_515_245) >> 16) / 32768 }
            tensor.rawData = elements.withUnsafeBytes { Data($0) }
            return tensor
        }
        func node(_ type: String, _ inputs: [String], _ output: String) -> Onnx_NodeProto {
            var node = Onnx_NodeProto()
            node.opType = type
            node.name = output
            node.input = inputs
            node.output = [output]
            return node
        }
        var transposed = Onnx_AttributeProto()
        transposed.name = "transB"
        transposed.type = .int
        transposed.i = 1
        var gemm = node("Gemm", ["hidden", "second"], "output")
        gemm.attribute = [transposed]
        model.graph.input = [value("input", [1, Int64(rows)])]
        model.graph.output = [value("output", [1, Int64(rows)])]
        model.graph.initializer = [
            weight("first", [rows, columns]), weight("second", [rows, columns]),
        ]
        model.graph.node = [
            node("MatMul", ["input", "first"], "hidden"), gemm,
        ]
        let bytes = try model.serializedBytes() as [UInt8]
        return (try folder.write(bytes, "large.onnx"), bytes.count)
    }

    @Test func largeWeightsAreHeldOnce() throws {
        let folder = try TemporaryFolder()
        let (path, byteCount) = try Self.write(to: folder)
        func peak(_ model: String) throws -> Int {
            let arguments = [
                "bench", model, "--device", "opencl:cpu", "--iterations", "1", "--warmup", "0", "--json", "-",
            ]
            // The first run fills the program cache: pocl's compiler works in the process and would be measured too.
            _ = try apus(arguments)
            let result = try apus(arguments)
            return try #require(try result.json()["peak_rss_bytes"] as? Int, "\(result)")
        }
        let ratio = Double(try peak(path) - peak(Paths.digits)) / Double(byteCount)
        #expect(ratio <= 1.4, "\(ratio) times the file")

        let compared = try apus(["compare", path, "--device", "opencl:cpu", "--tolerance", "1e-5"])
        #expect(compared.status == 0, "\(compared)")
    }
}
