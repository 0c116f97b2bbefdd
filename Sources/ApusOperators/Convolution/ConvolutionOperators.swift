/// The convolution operators by ONNX name.
package let convolutionOperators: [(String, any Operator.Type)] = []
