/// The pointwise operators by ONNX name.
package let pointwiseOperators: [(String, any Operator.Type)] =
    pointwiseFormulas.keys.sorted().map { ($0, PointwiseOperator.self) } + [
        ("Cast", Cast.self),
        ("CastLike", CastLike.self),
        ("BitCast", BitCast.self),
        ("Identity", Identity.self),
        ("Dropout", Dropout.self),
    ]
