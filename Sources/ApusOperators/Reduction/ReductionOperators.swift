/// The reduction operators by ONNX name.
package let reductionOperators: [(String, any Operator.Type)] = []
