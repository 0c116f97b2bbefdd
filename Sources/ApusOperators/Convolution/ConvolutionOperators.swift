/// The convolution operators by ONNX name.
package let convolutionOperators: [(String, any Operator.Type)] = [
    ("AveragePool", Pooling.self),
    ("CausalConvWithState", CausalConvWithState.self),
    ("Conv", Conv.self),
    ("apus.ConvDepthwise", ConvDepthwise.self),
    ("apus.ScaledConv", ScaledConv.self),
    ("ConvTranspose", ConvTranspose.self),
    ("GlobalAveragePool", Pooling.self),
    ("GlobalLpPool", Pooling.self),
    ("GlobalMaxPool", Pooling.self),
    ("LpPool", Pooling.self),
    ("MaxPool", Pooling.self),
]
