/// The pointwise operators by ONNX name.
package let pointwiseOperators: [(String, any Operator.Type)] = []
