/// The shape operators by ONNX name.
package let shapeOperators: [(String, any Operator.Type)] = []
