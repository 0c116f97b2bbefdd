/// The lowerings of the normalization operators by ONNX name.
package let normalizationLowerings: [(String, any OperatorLowering.Type)] = []
