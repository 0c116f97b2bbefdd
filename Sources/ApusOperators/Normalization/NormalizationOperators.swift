/// The normalization operators by ONNX name.
package let normalizationOperators: [(String, any Operator.Type)] = []
