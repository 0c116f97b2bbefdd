/// The lowerings of the quantization operators by ONNX name; `apus.` marks internal operators.
package let quantizationLowerings: [(String, any OperatorLowering.Type)] = [
    ("QuantizeLinear", LinearQuantizationLowering.self),
    ("DequantizeLinear", LinearQuantizationLowering.self),
    ("DynamicQuantizeLinear", DynamicQuantizationLowering.self),
    ("ConvInteger", IntegerConvolutionLowering.self),
    ("MatMulInteger", IntegerProductLowering.self),
    ("QLinearConv", IntegerConvolutionLowering.self),
    ("QLinearMatMul", IntegerProductLowering.self),
    ("apus.QuantizedConv", IntegerConvolutionLowering.self),
    ("apus.QuantizedGlobalAveragePool", IntegerPoolingLowering.self),
    ("apus.QuantizedMatMul", IntegerProductLowering.self),
]
