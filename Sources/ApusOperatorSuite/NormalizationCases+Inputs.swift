import ApusGraph
package import ApusTensor

/// Results in float16 keep 11 bits, so that one unit in the last place is up to 1e-3.
let halfRounding = 1e-3

/// Results in bfloat16 keep 8 bits, so that one unit in the last place is up to 8e-3.
let bfloatRounding = 8e-3

/// OpenCL's `pow` may be wrong by 16 units in the last place.
let powerRounding = 4e-6

extension OperatorCase.Input {
    /// Values uniform in a range.
    package static func uniform(
        _ shape: [Int],
        _ type: ElementType = .float32,
        in range: ClosedRange<Double> = -1...1
    ) -> OperatorCase.Input {
        .random(TensorType(type, shape), range)
    }

    /// A constant vector of axes.
    package static func axes(_ axes: Int64...) -> OperatorCase.Input { .constant(Tensor(vector: axes)) }
}

extension PointwiseExpression {
    static func relu(_ x: PointwiseExpression) -> PointwiseExpression { .maximum(x, .constant(0)) }

    static func relu6(_ x: PointwiseExpression) -> PointwiseExpression {
        .minimum(.maximum(x, .constant(0)), .constant(6))
    }

    static func sigmoid(_ x: PointwiseExpression) -> PointwiseExpression {
        .constant(1) / (.constant(1) + .unary(.exp, .unary(.negate, x)))
    }

    static func silu(_ x: PointwiseExpression) -> PointwiseExpression { x * .sigmoid(x) }

    static func gelu(_ x: PointwiseExpression) -> PointwiseExpression {
        .constant(0.5) * x * (.constant(1) + .unary(.erf, x * .constant(0.5.squareRoot())))
    }
}
