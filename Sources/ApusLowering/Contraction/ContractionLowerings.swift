/// The lowerings of the contraction operators by ONNX name.
package let contractionLowerings: [(String, any OperatorLowering.Type)] = []
