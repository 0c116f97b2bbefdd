import ApusONNXProto
package import ApusTensor
import Foundation
import SwiftProtobuf

extension ONNXImporter {
    /// Reads a serialised `TensorProto`, the format of inputs and outputs beside a model.
    ///
    /// - Throws: `ModelError` with code `invalidFile` or `invalidModel`.
    package static func value(bytes: [UInt8]) throws(ModelError) -> RuntimeValue {
        let proto: Onnx_TensorProto
        do {
            proto = try Onnx_TensorProto(serializedBytes: bytes)
        } catch {
            throw ModelError(.invalidFile, "the bytes are no TensorProto")
        }
        guard proto.hasRawData, let elementType = ElementType(rawValue: proto.dataType), elementType != .string else {
            let importer = TensorImporter(
                model: TensorStorage(byteCount: 0) { _ in },
                ranges: [],
                externalData: nil,
                weights: nil,
                maximumGeneratedBytes: bytes.count * 8
            )
            return try importer.value(proto)
        }
        let type = try TensorType(elementType, proto.dims.map { Int($0) }).validated()
        guard type.byteCount == proto.rawData.count else {
            throw ModelError(.invalidModel, "\(type) takes \(type.byteCount) bytes, found \(proto.rawData.count)")
        }
        return .tensor(Tensor(type) { proto.rawData.copyBytes(to: $0) })
    }

    /// Serialises a tensor as `TensorProto`.
    ///
    /// - Throws: `ModelError` with code `unsupported` for sequences and optionals.
    package static func bytes(of value: RuntimeValue, name: String) throws(ModelError) -> [UInt8] {
        var proto = Onnx_TensorProto()
        proto.name = name
        switch value {
        case .tensor(let tensor):
            proto.dims = tensor.shape.map { Int64($0) }
            proto.dataType = tensor.elementType.rawValue
            proto.rawData = tensor.withUnsafeBytes { Data($0) }
        case .strings(let strings):
            proto.dims = strings.shape.map { Int64($0) }
            proto.dataType = ElementType.string.rawValue
            proto.stringData = strings.elements.map { Data($0) }
        case .sequence, .optional:
            throw ModelError(.unsupported, "\(value.kind) cannot be written yet")
        }
        do {
            return try proto.serializedBytes()
        } catch {
            throw ModelError(.limitExceeded, "the tensor is too large for a protobuf message")
        }
    }
}
