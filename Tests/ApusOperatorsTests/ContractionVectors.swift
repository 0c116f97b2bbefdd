import ApusGraph

/// Expected values of ONNX Runtime 1.32 and, where it has no kernel, of onnx 1.22's reference evaluator (LRN: numpy).
let contractionVectors: [ReferenceVector] = [
    ReferenceVector(
        operatorType: "MatMul",
        name: "matrices",
        inputs: [[3, 5], [5, 4]],
        shape: [3, 4],
        expected: [
            0.515625, -1.46875, -1.65625, 3.90625, 0.109375, -1.5, -1.3125, 3.90625, 3.65625, -0.09375,
            -2.046875, 0.3125,
        ]
    ),
    ReferenceVector(
        operatorType: "MatMul",
        name: "broadcast batches",
        inputs: [[2, 1, 2, 3], [3, 3, 2]],
        shape: [2, 3, 2, 2],
        expected: [
            0.859375, 1.046875, 0.765625, -2.03125, -1.96875, 0.015625, 1.953125, 0.953125, -0.84375, 1.140625,
            1.703125, 0.703125, 0.3125, 0.28125, -1.9375, 0.796875, -1.3125, 0.453125, 1.890625, -1.84375,
            -1.5, 0.265625, 1.765625, -1.96875,
        ]
    ),
    ReferenceVector(
        operatorType: "MatMul",
        name: "vector times batch",
        inputs: [[3], [2, 3, 4]],
        shape: [2, 4],
        expected: [
            1.625, -0.34375, -1.953125, 2.1875, -0.078125, 1.90625, -0.0625, -1.671875,
        ]
    ),
    ReferenceVector(
        operatorType: "MatMul",
        name: "batch times vector",
        inputs: [[2, 3, 4], [4]],
        shape: [2, 3],
        expected: [
            0.75, -1.515625, -1.265625, -0.65625, 2.109375, 2.71875,
        ]
    ),
    ReferenceVector(
        operatorType: "MatMul",
        name: "batch times matrix",
        inputs: [[2, 3, 4], [4, 3]],
        shape: [2, 3, 3],
        expected: [
            2.703125, 0.09375, -1.4375, -0.265625, 0.484375, 0.15625, -3.953125, 0.15625, 1.03125, -4.046875,
            0.90625, 0.46875, -0.1875, -0.140625, 0.625, -0.28125, 0.609375, 0.0625,
        ]
    ),
    ReferenceVector(
        operatorType: "MatMul",
        name: "vectors",
        inputs: [[7], [7]],
        shape: [],
        expected: [
            -0.921875
        ]
    ),
    ReferenceVector(
        operatorType: "Gemm",
        name: "all attributes",
        attributes: ["transA": .int(1), "transB": .int(1), "alpha": .float(0.5), "beta": .float(2.0)],
        inputs: [[5, 3], [4, 5], [3, 1]],
        shape: [3, 4],
        expected: [
            -1.7109375, -0.7109375, -1.6875, -1.40625, 1.7109375, 2, 1.75, 0.421875, -1.6953125, -4.2734375,
            -1.8203125, -2.78125,
        ]
    ),
    ReferenceVector(
        operatorType: "Gemm",
        name: "B transposed",
        attributes: ["transB": .int(1)],
        inputs: [[3, 5], [4, 5], [4]],
        shape: [3, 4],
        expected: [
            -0.296875, 0.25, -1, 1.703125, -0.796875, 0.90625, -1.34375, 1.796875, -0.21875, -1.671875,
            -0.96875, -1.703125,
        ]
    ),
    ReferenceVector(
        operatorType: "Gemm",
        name: "A transposed",
        attributes: ["transA": .int(1), "alpha": .float(0.25)],
        inputs: [[5, 3], [5, 4]],
        shape: [3, 4],
        expected: [
            0.4375, -0.46875, -0.02734375, 0.68359375, -0.4453125, 0.3203125, 0.3671875, 0.234375, 0.55859375,
            0.30078125, -0.67578125, -0.21484375,
        ]
    ),
    ReferenceVector(
        operatorType: "Gemm",
        name: "scalar C",
        attributes: ["beta": .float(0.35)],
        inputs: [[3, 5], [5, 4], []],
        shape: [3, 4],
        expected: [
            0.296875, -1.6875, -1.875, 3.6875, -0.109375, -1.71875, -1.53125, 3.6875, 3.4375, -0.3125,
            -2.265625, 0.09375,
        ]
    ),
]
