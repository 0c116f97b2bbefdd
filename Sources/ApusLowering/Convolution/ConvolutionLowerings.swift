/// The lowerings of the convolution operators by ONNX name.
package let convolutionLowerings: [(String, any OperatorLowering.Type)] = [
    ("Conv", ConvLowering.self),
    ("apus.ConvDepthwise", ConvDepthwiseLowering.self),
    ("apus.ScaledConv", ScaledConvLowering.self),
]
