/// The lowerings of the pointwise operators by ONNX name.
package let pointwiseLowerings: [(String, any OperatorLowering.Type)] = []
