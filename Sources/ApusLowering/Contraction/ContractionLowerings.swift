/// The lowerings of the contraction operators by ONNX name.
package let contractionLowerings: [(String, any OperatorLowering.Type)] = [
    ("Gemm", MatrixProductLowering.self),
    ("MatMul", MatrixProductLowering.self),
]
