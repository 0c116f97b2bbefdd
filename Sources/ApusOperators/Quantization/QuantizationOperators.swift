/// The quantization operators by ONNX name.
package let quantizationOperators: [(String, any Operator.Type)] = [
    ("ConvInteger", ConvInteger.self),
    ("DequantizeLinear", DequantizeLinear.self),
    ("DynamicQuantizeLinear", DynamicQuantizeLinear.self),
    ("MatMulInteger", MatMulInteger.self),
    ("QLinearConv", QLinearConv.self),
    ("QLinearMatMul", QLinearMatMul.self),
    ("QuantizeLinear", QuantizeLinear.self),
]

/// The quantized operators that passes make, by their name in the domain `apus`.
package let internalQuantizationOperators: [(String, any Operator.Type)] = [
    ("QuantizedConv", QuantizedConv.self),
    ("QuantizedGlobalAveragePool", QuantizedGlobalAveragePool.self),
    ("QuantizedMatMul", QuantizedMatMul.self),
]
