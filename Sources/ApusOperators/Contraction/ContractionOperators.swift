/// The contraction operators by ONNX name.
package let contractionOperators: [(String, any Operator.Type)] = [
    ("Gemm", Gemm.self),
    ("MatMul", MatMul.self),
]
