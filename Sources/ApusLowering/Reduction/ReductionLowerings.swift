/// The lowerings of the reduction operators by ONNX name.
package let reductionLowerings: [(String, any OperatorLowering.Type)] = []
