/// The contraction operators by ONNX name.
package let contractionOperators: [(String, any Operator.Type)] = [
    ("Einsum", Einsum.self),
    ("Gemm", Gemm.self),
    ("MatMul", MatMul.self),
]
