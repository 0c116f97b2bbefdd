import Apus
import ApusGraph
import ApusONNX
import ApusOperatorSuite
import ApusTensor
import Foundation

/// Reads a `.npy` or `.pb` file.
///
/// - Parameter type: what the model declares of the value, which tells the message of a `.pb` file.
/// - Throws: `ModelError` that names the file.
func readValue(_ path: String, type: ValueType?) throws -> RuntimeValue {
    do throws(ModelError) {
        if path.hasSuffix(".npy") { return .tensor(try Npy.read(path: path)) }
        if path.hasSuffix(".pb") {
            guard let data = FileManager.default.contents(atPath: path) else {
                throw ModelError(.invalidFile, "the file cannot be read")
            }
            return try ONNXImporter.value(bytes: [UInt8](data), type: type)
        }
    } catch {
        throw error.at(file: path)
    }
    throw ModelError(.invalidInput, "expected a .npy or .pb file", file: path)
}

/// The shape an input is bound to: what the user gave, else what the model declares with 1 for every free axis.
///
/// - Throws: `ModelError` with code `invalidInput` if the rank is unknown or a given shape does not fit.
func boundType(_ port: Model.Port, _ given: [Int]?) throws(ModelError) -> TensorType {
    guard let elementType = port.elementType else {
        throw ModelError(.unsupported, "the input \"\(port.name)\" (\(port.description)) cannot be made; use --input")
    }
    if let given {
        if let shape = port.shape {
            guard shape.count == given.count, zip(shape, given).allSatisfy({ $0 == nil || $0 == $1 }) else {
                throw ModelError(
                    .invalidInput,
                    "the input \"\(port.name)\" is \(port.description), found the shape \(given)"
                )
            }
        }
    }
    guard let shape = given ?? port.shape?.map({ $0 ?? 1 }) else {
        throw ModelError(.invalidInput, "the rank of the input \"\(port.name)\" is unknown; use --shape")
    }
    do {
        return try TensorType(elementType, shape).validated()
    } catch {
        throw ModelError(error.code, "the input \"\(port.name)\": \(error.message)")
    }
}

/// The types that all inputs are bound to.
///
/// - Throws: `ModelError` with code `invalidInput` that names the input.
func boundTypes(_ model: Model, _ shapes: [String: [Int]]) throws(ModelError) -> [TensorType] {
    try checkNames(model, shapes)
    return try model.inputs.map { port throws(ModelError) in try boundType(port, shapes[port.name]) }
}

/// - Throws: `ModelError` with code `invalidInput` if a shape is given for an input that the model does not have.
func checkNames(_ model: Model, _ shapes: [String: [Int]]) throws(ModelError) {
    if let unknown = shapes.keys.sorted().first(where: { name in !model.inputs.contains { $0.name == name } }) {
        throw unknownInput(model, unknown)
    }
}

/// The error about an input that the model does not have.
func unknownInput(_ model: Model, _ name: String) -> ModelError {
    ModelError(
        .invalidInput,
        "the model has no input \"\(name)\"; its inputs are "
            + model.inputs.map { "\"\($0.name)\" \($0.description)" }.joined(separator: ", ")
    )
}

/// The largest input that is made up, as making it takes four times its size.
private let maximumSeededBytes = Int(clamping: ProcessInfo.processInfo.physicalMemory) / 4

/// Values for the inputs that the user left out: floats uniform in [-1, 1), integers and bools 0 or 1.
func seededInputs(
    _ model: Model,
    shapes: [String: [Int]],
    given: [String: RuntimeValue]
) throws -> [String: RuntimeValue] {
    try checkNames(model, shapes)
    var result = given
    for (index, port) in model.inputs.enumerated() where result[port.name] == nil {
        let type = try boundType(port, shapes[port.name])
        guard type.byteCount <= maximumSeededBytes else {
            throw ModelError(
                .limitExceeded,
                "the input \"\(port.name)\" \(type) takes \(type.byteCount) bytes, more than a quarter of the memory"
            )
        }
        var generator = SeededGenerator(seed: UInt64(index) + 1)
        let range = type.elementType.isFloatingPoint ? -1.0...1.0 : 0.0...1.99
        result[port.name] = .tensor(try generator.tensor(type, in: range))
    }
    return result
}
