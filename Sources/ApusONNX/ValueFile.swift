package import ApusGraph
import ApusONNXProto
package import ApusTensor
import Foundation
import SwiftProtobuf

/// The files of inputs and outputs beside a model: `TensorProto`, `SequenceProto` and `OptionalProto`.
extension ONNXImporter {
    /// Reads a serialised value.
    ///
    /// - Parameter type: what the model declares, which tells the message; a tensor where it declares nothing.
    /// - Throws: `ModelError` with code `invalidFile`, `invalidModel`, `unsupported` or `limitExceeded`.
    package static func value(bytes: [UInt8], type: ValueType? = nil) throws(ModelError) -> RuntimeValue {
        let storage = TensorStorage(byteCount: bytes.count) { target in
            bytes.withUnsafeBytes { target.copyMemory(from: $0) }
        }
        switch type {
        case .sequence?:
            let reader = try ValueReader(storage, .sequence)
            return try reader.value(try reader.decode(Onnx_SequenceProto.self), type)
        case .optional?:
            let reader = try ValueReader(storage, .optional)
            return try reader.value(try reader.decode(Onnx_OptionalProto.self), type)
        case .tensor?, nil:
            let reader = try ValueReader(storage, .tensor)
            return try reader.value(try reader.decode(Onnx_TensorProto.self))
        }
    }

    /// Serialises a value.
    ///
    /// - Throws: `ModelError` with code `limitExceeded` if it is too large for a protobuf message.
    package static func bytes(of value: RuntimeValue, name: String) throws(ModelError) -> [UInt8] {
        do {
            switch value {
            case .tensor, .strings:
                return try tensor(value, name: name).serializedBytes()
            case .sequence(let elements):
                return try sequence(elements, name: name).serializedBytes()
            case .optional(let element):
                return try optional(element, name: name).serializedBytes()
            }
        } catch {
            throw ModelError(.limitExceeded, "the value is too large for a protobuf message")
        }
    }

    /// The message of a tensor or of strings.
    static func tensor(_ value: RuntimeValue, name: String = "") -> Onnx_TensorProto {
        var proto = Onnx_TensorProto()
        if !name.isEmpty { proto.name = name }
        switch value {
        case .tensor(let tensor):
            proto.dims = tensor.shape.map { Int64($0) }
            proto.dataType = tensor.elementType.rawValue
            proto.rawData = tensor.withUnsafeBytes { Data($0) }
        case .strings(let strings):
            proto.dims = strings.shape.map { Int64($0) }
            proto.dataType = ElementType.string.rawValue
            proto.stringData = strings.elements.map { Data($0) }
        case .sequence, .optional: preconditionFailure("\(value.kind) is no tensor")
        }
        return proto
    }

    private static func sequence(_ elements: [RuntimeValue], name: String = "") -> Onnx_SequenceProto {
        var proto = Onnx_SequenceProto()
        if !name.isEmpty { proto.name = name }
        proto.elemType = Int32((elements.first.map { $0.dataType } ?? .tensor).rawValue)
        for element in elements {
            switch element {
            case .tensor, .strings: proto.tensorValues.append(tensor(element))
            case .sequence(let values): proto.sequenceValues.append(sequence(values))
            case .optional(let value): proto.optionalValues.append(optional(value))
            }
        }
        return proto
    }

    private static func optional(_ element: RuntimeValue?, name: String = "") -> Onnx_OptionalProto {
        var proto = Onnx_OptionalProto()
        if !name.isEmpty { proto.name = name }
        proto.elemType = Int32((element.map { $0.dataType } ?? .undefined).rawValue)
        guard let element else { return proto }
        switch element {
        case .tensor, .strings: proto.tensorValue = tensor(element)
        case .sequence(let values): proto.sequenceValue = sequence(values)
        case .optional(let value): proto.optionalValue = optional(value)
        }
        return proto
    }
}

extension RuntimeValue {
    /// How `SequenceProto` and `OptionalProto` name the kind of their elements.
    fileprivate var dataType: Onnx_SequenceProto.DataType {
        switch self {
        case .tensor, .strings: .tensor
        case .sequence: .sequence
        case .optional: .optional
        }
    }
}

/// Turns the messages of one file into values.
private struct ValueReader {
    private let message: [UInt8]
    private let tensors: TensorImporter

    init(_ storage: TensorStorage, _ root: WireScanner.Kind) throws(ModelError) {
        let reduced = try WireScanner.reduce(storage.bytes, as: root)
        message = reduced.bytes
        tensors = TensorImporter(
            model: storage,
            ranges: reduced.ranges,
            externalData: nil,
            weights: nil,
            maximumGeneratedBytes: 0
        )
    }

    func decode<Proto: SwiftProtobuf.Message>(_: Proto.Type) throws(ModelError) -> Proto {
        var options = BinaryDecodingOptions()
        options.messageDepthLimit = WireScanner.maximumDepth
        options.discardUnknownFields = true
        do {
            return try Proto(serializedBytes: message, partial: true, options: options)
        } catch {
            throw ModelError(.invalidFile, "not an ONNX value: \(error)")
        }
    }

    func value(_ proto: Onnx_TensorProto) throws(ModelError) -> RuntimeValue {
        try tensors.value(proto)
    }

    func value(_ proto: Onnx_SequenceProto, _ declared: ValueType?) throws(ModelError) -> RuntimeValue {
        var element: ValueType?
        if case .sequence(let type)? = declared { element = type }
        let kind = try dataType(proto.elemType)
        let counts = (proto.tensorValues.count, proto.sequenceValues.count, proto.optionalValues.count)
        let values: [RuntimeValue]
        switch kind {
        case .tensor where counts.1 + counts.2 == 0:
            values = try proto.tensorValues.map { proto throws(ModelError) in try value(proto) }
        case .sequence where counts.0 + counts.2 == 0:
            values = try proto.sequenceValues.map { proto throws(ModelError) in try value(proto, element) }
        case .optional where counts.0 + counts.1 == 0:
            values = try proto.optionalValues.map { proto throws(ModelError) in try value(proto, element) }
        case .undefined where counts.0 + counts.1 + counts.2 == 0: values = []
        default:
            throw ModelError(.invalidModel, "a sequence holds values of another kind than it names")
        }
        if let first = values.first, let element { try check(first, element) }
        return .sequence(values)
    }

    func value(_ proto: Onnx_OptionalProto, _ declared: ValueType?) throws(ModelError) -> RuntimeValue {
        var element: ValueType?
        if case .optional(let type)? = declared { element = type }
        let kind = try dataType(proto.elemType)
        let result: RuntimeValue?
        switch (kind, proto.hasTensorValue, proto.hasSequenceValue, proto.hasOptionalValue) {
        case (_, false, false, false): result = nil
        case (.tensor, true, false, false): result = try value(proto.tensorValue)
        case (.sequence, false, true, false): result = try value(proto.sequenceValue, element)
        case (.optional, false, false, true): result = try value(proto.optionalValue, element)
        default: throw ModelError(.invalidModel, "an optional holds a value of another kind than it names")
        }
        if let result, let element { try check(result, element) }
        return .optional(result)
    }

    private func dataType(_ code: Int32) throws(ModelError) -> Onnx_SequenceProto.DataType {
        guard let type = Onnx_SequenceProto.DataType(rawValue: Int(code)) else {
            throw ModelError(.invalidModel, "\(code) is no kind of value")
        }
        guard type != .map, type != .sparseTensor else {
            throw ModelError(.unsupported, "maps and sparse tensors are not supported as values")
        }
        return type
    }

    private func check(_ value: RuntimeValue, _ declared: ValueType) throws(ModelError) {
        switch (value, declared) {
        case (.tensor, .tensor), (.strings, .tensor), (.sequence, .sequence), (.optional, .optional): return
        default: throw ModelError(.invalidInput, "expected \(declared), found \(value.kind)")
        }
    }
}
