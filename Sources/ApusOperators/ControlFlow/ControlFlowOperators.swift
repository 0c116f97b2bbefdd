/// The controlFlow operators by ONNX name.
package let controlFlowOperators: [(String, any Operator.Type)] = []
