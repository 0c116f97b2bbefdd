import ApusGraph

/// Expected values of ONNX Runtime 1.32 and, where it has no kernel, of onnx 1.22's reference evaluator (LRN: numpy).
let convolutionVectors: [ReferenceVector] = [
    ReferenceVector(
        operatorType: "Conv",
        name: "groups, bias, asymmetric padding",
        attributes: ["group": .int(2), "pads": .ints([1, 0, 0, 2]), "strides": .ints([2, 1])],
        inputs: [[1, 4, 4, 3], [2, 2, 2, 3], [2]],
        shape: [1, 2, 2, 3],
        expected: [
            0.859375, 2.578125, -1.875, 0.421875, -3.234375, 0, -0.546875, -1.046875, 0.734375, 0.328125,
            0.65625, 1.421875,
        ]
    ),
    ReferenceVector(
        operatorType: "Conv",
        name: "dilation",
        attributes: ["dilations": .ints([2, 1])],
        inputs: [[1, 2, 5, 4], [3, 2, 2, 2]],
        shape: [1, 3, 3, 3],
        expected: [
            -0.65625, 2.46875, -1.59375, 0.703125, 2.75, 0.125, 0.625, -3.4375, 2.5625, -2.484375, -2.09375,
            4.046875, -2.71875, -2.328125, 0.578125, 0.28125, -1.84375, -2.171875, 3.953125, -0.1875,
            -2.171875, 3.203125, 0.140625, -1.484375, 2.09375, 0.109375, -0.078125,
        ]
    ),
    ReferenceVector(
        operatorType: "Conv",
        name: "SAME_UPPER",
        attributes: ["auto_pad": text("SAME_UPPER"), "strides": .ints([2, 2])],
        inputs: [[1, 2, 4, 5], [2, 2, 2, 3]],
        shape: [1, 2, 2, 3],
        expected: [
            0.1875, 1.125, -4.34375, -0.0625, 3.515625, -3.78125, 2.25, 3.03125, -4.34375, 0.875, -0.21875,
            3.71875,
        ]
    ),
    ReferenceVector(
        operatorType: "Conv",
        name: "SAME_LOWER",
        attributes: ["auto_pad": text("SAME_LOWER"), "strides": .ints([2, 2])],
        inputs: [[1, 2, 4, 5], [2, 2, 2, 3]],
        shape: [1, 2, 2, 3],
        expected: [
            0.1875, 1.125, -4.34375, -0.0625, 3.515625, -3.78125, 2.25, 3.03125, -4.34375, 0.875, -0.21875,
            3.71875,
        ]
    ),
    ReferenceVector(
        operatorType: "Conv",
        name: "VALID",
        attributes: ["auto_pad": text("VALID")],
        inputs: [[1, 2, 4, 5], [2, 2, 2, 3]],
        shape: [1, 2, 3, 3],
        expected: [
            2, 1.125, 5.28125, 1.9375, 1.0625, 3.78125, 1.875, 3.515625, -1.671875, -1.53125, 3.03125,
            -3.90625, -1.71875, 2.84375, -2.65625, 0.96875, -0.21875, -2.484375,
        ]
    ),
    ReferenceVector(
        operatorType: "Conv",
        name: "depthwise",
        attributes: ["group": .int(3), "pads": .ints([1, 1, 1, 1])],
        inputs: [[1, 3, 3, 4], [3, 1, 3, 3], [3]],
        shape: [1, 3, 3, 4],
        expected: [
            -1.46875, 3.4375, -0.59375, -1.421875, -2.125, -0.53125, 4.546875, -1.03125, -1.203125, -3.875,
            -0.859375, 1.046875, -0.484375, -1.46875, 2.109375, 2.265625, 0.40625, -1.984375, 1.75, 4.296875,
            0.859375, -0.875, -0.3125, 5.09375, -2.09375, -2.359375, -2.671875, 0.484375, -0.59375, -3.34375,
            -2.75, 1.421875, -0.03125, -2.84375, -2.578125, 0.078125,
        ]
    ),
    ReferenceVector(
        operatorType: "Conv",
        name: "one dimension",
        attributes: ["strides": .ints([2]), "pads": .ints([1, 2])],
        inputs: [[2, 3, 6], [2, 3, 3]],
        shape: [2, 2, 4],
        expected: [
            -0.125, 3.390625, -3.703125, 2.296875, 0.71875, 0.84375, 1.125, -1.09375, -0.578125, 1.71875,
            -3.578125, 2.515625, -0.765625, -2.734375, 1.5, -1.75,
        ]
    ),
    ReferenceVector(
        operatorType: "Conv",
        name: "three dimensions",
        attributes: ["pads": .ints([0, 1, 0, 1, 0, 0])],
        inputs: [[1, 2, 2, 3, 3], [2, 2, 2, 2, 2]],
        shape: [1, 2, 2, 3, 2],
        expected: [
            0.265625, -0.609375, 1.03125, 4.1875, -0.640625, -5.03125, 1.140625, 0.640625, -3.328125, 1.71875,
            0.671875, 0.328125, -1.375, 0.90625, -0.328125, 0.875, 1.125, -0.1875, -1.5625, 0.953125,
            -1.484375, -1.546875, 0.484375, 1.140625,
        ]
    ),
    ReferenceVector(
        operatorType: "ConvTranspose",
        name: "stride and padding",
        attributes: ["strides": .ints([2, 2]), "pads": .ints([1, 0, 0, 1])],
        inputs: [[1, 2, 3, 3], [2, 2, 3, 2], [2]],
        shape: [1, 2, 6, 5],
        expected: [
            -2, 1.953125, -0.96875, -0.234375, -0.65625, -2.171875, -2.484375, 0.609375, -1.828125, -0.203125,
            -0.34375, -1.015625, -0.03125, -1.40625, -1.15625, -1.375, 0.203125, -2.546875, -0.578125, 1.3125,
            -0.84375, -0.390625, -0.53125, -0.78125, -0.21875, 0.421875, -0.5625, -0.671875, -0.5625,
            -1.765625, -0.875, -0.875, 0.96875, -0.453125, 0.65625, 3.90625, -0.71875, 2.203125, 1.921875,
            -1.65625, 0.34375, 1.109375, 0.03125, 1.890625, 1.15625, -0.484375, -0.34375, 0.6875, -0.578125,
            1.5, 0.84375, -0.140625, 0.53125, 0.640625, 0.21875, 0.3125, 1.125, 0.390625, 0.5, 0.46875,
        ]
    ),
    ReferenceVector(
        operatorType: "ConvTranspose",
        name: "output padding",
        attributes: ["strides": .ints([2, 3]), "output_padding": .ints([1, 1])],
        inputs: [[1, 2, 2, 2], [2, 1, 3, 2]],
        shape: [1, 1, 6, 6],
        expected: [
            2.921875, -0.53125, 0, -0.796875, 0.796875, 0, -0.75, 2.984375, 0, -0.84375, -0.328125, 0,
            -1.03125, -0.359375, 0, 0.9375, -0.515625, 0, -0.21875, -0.40625, 0, 0.40625, -0.484375, 0,
            0.484375, -0.0625, 0, -0.296875, 0.25, 0, 0, 0, 0, 0, 0, 0,
        ]
    ),
    ReferenceVector(
        operatorType: "ConvTranspose",
        name: "output shape",
        attributes: ["strides": .ints([2, 3]), "output_shape": .ints([6, 7])],
        inputs: [[1, 1, 3, 3], [1, 1, 3, 3]],
        shape: [1, 1, 6, 7],
        expected: [
            0.515625, -0.6875, 0.9375, 0.28125, -0.375, 0.15625, 0.046875, 0.796875, 0.03125, -2.15625,
            0.328125, 0.65625, 0.953125, 0.21875, -0.1875, 0.25, -1.40625, -0.421875, 0.5625, 1.40625,
            0.421875, -0.25, -0.25, 1.421875, -0.71875, 0.375, -2.296875, 0.609375, 0.1875, -0.25, -0.15625,
            -0.046875, 0.0625, -0.9375, -0.28125, 0.3125, -0.125, 0.171875, -0.078125, 0.03125, 1.03125,
            -0.46875,
        ]
    ),
    ReferenceVector(
        operatorType: "ConvTranspose",
        name: "SAME_UPPER",
        attributes: ["strides": .ints([2, 2]), "auto_pad": text("SAME_UPPER")],
        inputs: [[1, 1, 3, 3], [1, 2, 3, 3]],
        shape: [1, 2, 6, 6],
        expected: [
            1.375, 0.171875, -0.28125, 0.09375, -0.4375, 0.015625, 1.71875, 0.515625, 0.25, 0.28125, -0.21875,
            0.046875, -2.390625, 0.796875, -2.125, 0.328125, 1.609375, 0.21875, -0.625, -0.1875, -1.15625,
            -0.421875, 1.96875, 0.421875, 1.1875, -0.25, 1.171875, -0.71875, -1.921875, 0.609375, 0.625,
            0.1875, -0.40625, -0.046875, -0.875, -0.28125, -1.546875, 1.203125, -0.84375, 0.65625, -0.140625,
            0.109375, -1.203125, 1.546875, -0.3125, 0.84375, 0.078125, 0.140625, -0.296875, 1.453125, 1.484375,
            0.046875, -0.96875, 1.15625, 0.4375, -0.5625, 0.859375, -1.265625, -1.265625, 1.265625, -0.25,
            -0.25, 0.59375, -1.65625, -0.421875, 0.890625, -0.4375, 0.5625, 0.234375, -0.140625, 0.625,
            -0.84375,
        ]
    ),
    ReferenceVector(
        operatorType: "ConvTranspose",
        name: "SAME_LOWER",
        attributes: ["strides": .ints([2, 2]), "auto_pad": text("SAME_LOWER")],
        inputs: [[1, 1, 3, 3], [1, 2, 3, 3]],
        shape: [1, 2, 6, 6],
        expected: [
            0.515625, 0.25, 0.28125, -0.21875, 0.046875, -0.0625, 0.796875, -2.125, 0.328125, 1.609375,
            0.21875, -0.875, -0.1875, -1.15625, -0.421875, 1.96875, 0.421875, -0.5625, -0.25, 1.171875,
            -0.71875, -1.921875, 0.609375, 0.28125, 0.1875, -0.40625, -0.046875, -0.875, -0.28125, 0.375,
            0.3125, 0.046875, -0.078125, 1.0625, -0.46875, 0.1875, 1.546875, -0.3125, 0.84375, 0.078125,
            0.140625, 0.03125, 1.453125, 1.484375, 0.046875, -0.96875, 1.15625, 0.0625, -0.5625, 0.859375,
            -1.265625, -1.265625, 1.265625, 0.28125, -0.25, 0.59375, -1.65625, -0.421875, 0.890625, 0.5625,
            0.5625, 0.234375, -0.140625, 0.625, -0.84375, -0.1875, 0.6875, 0.328125, -0.171875, 0.40625,
            -1.03125, -0.375,
        ]
    ),
    ReferenceVector(
        operatorType: "ConvTranspose",
        name: "groups and dilation",
        attributes: ["group": .int(2), "dilations": .ints([2, 1])],
        inputs: [[1, 4, 2, 3], [4, 1, 2, 2]],
        shape: [1, 2, 4, 4],
        expected: [
            1.5625, 0.625, 0, 0.390625, -1.015625, -0.171875, 0.640625, 0.015625, -1.71875, 1.640625, 1.796875,
            -0.3125, 2.265625, -1.84375, -2.046875, 1.5625, 1.1875, -1.609375, 1.609375, -0.984375, 0.0625,
            -0.21875, -2.03125, 2.25, -0.640625, 0.15625, 0.5625, -0.234375, 0.484375, -0.0625, 0.34375,
            -0.859375,
        ]
    ),
    ReferenceVector(
        operatorType: "ConvTranspose",
        name: "one dimension",
        attributes: ["strides": .ints([3])],
        inputs: [[1, 2, 4], [2, 2, 2]],
        shape: [1, 2, 11],
        expected: [
            0.953125, 0.734375, 0, 1.171875, -0.46875, 0, 0.3125, -0.234375, 0, -0.546875, 0, 0.515625,
            1.015625, 0, -2.109375, 1.640625, 0, -0.78125, 0.46875, 0, 0.546875, -0.703125,
        ]
    ),
    ReferenceVector(
        operatorType: "MaxPool",
        name: "ceil_mode",
        attributes: ["kernel_shape": .ints([3, 3]), "strides": .ints([2, 2]), "ceil_mode": .int(1)],
        inputs: [[1, 2, 4, 6]],
        shape: [1, 2, 2, 3],
        expected: [
            1, 1.375, 1.125, 1.25, 0.875, 0.875, 1.375, 1.375, 1.25, 1, 0.875, 1.25,
        ]
    ),
    ReferenceVector(
        operatorType: "MaxPool",
        name: "ceil_mode drops the last window",
        attributes: [
            "kernel_shape": .ints([2, 2]), "strides": .ints([2, 2]), "pads": .ints([1, 1, 1, 1]), "ceil_mode": .int(1),
        ],
        inputs: [[1, 1, 5, 4]],
        shape: [1, 1, 3, 3],
        expected: [
            -1.375, -0.125, 0.5, 1.125, 1.375, 0.125, 0.375, 1.25, -0.625,
        ]
    ),
    ReferenceVector(
        operatorType: "MaxPool",
        name: "dilation",
        attributes: ["kernel_shape": .ints([2, 2]), "dilations": .ints([2, 3])],
        inputs: [[1, 2, 4, 5]],
        shape: [1, 2, 2, 2],
        expected: [
            1, 1.125, 1.25, 1.375, 0.125, 0.75, 0.375, 1,
        ]
    ),
    ReferenceVector(
        operatorType: "MaxPool",
        name: "SAME_LOWER",
        attributes: ["kernel_shape": .ints([2, 3]), "auto_pad": text("SAME_LOWER"), "strides": .ints([2, 2])],
        inputs: [[1, 1, 5, 5]],
        shape: [1, 1, 3, 3],
        expected: [
            -0.75, 0.5, 1.125, -0.25, 1, 1.375, 0.25, 1.25, 1.25,
        ]
    ),
    ReferenceVector(
        operatorType: "MaxPool",
        name: "three dimensions",
        attributes: ["kernel_shape": .ints([2, 2, 2])],
        inputs: [[1, 1, 3, 3, 4]],
        shape: [1, 1, 2, 2, 3],
        expected: [
            1.125, 1.25, 1.25, 1.375, 1.375, 1.25, 1, 1.25, 1.25, 1.375, 1.25, 1.25,
        ]
    ),
    ReferenceVector(
        operatorType: "AveragePool",
        name: "padding",
        attributes: ["kernel_shape": .ints([3, 3]), "pads": .ints([1, 1, 1, 1]), "strides": .ints([2, 2])],
        inputs: [[1, 2, 5, 4]],
        shape: [1, 2, 3, 2],
        expected: [
            -0.53125, -0.3125, 0.583333313, -0.236111104, 0.5, 0, -0.25, 0.208333328, -0.333333343, 0.125,
            0.0625, -0.4375,
        ]
    ),
    ReferenceVector(
        operatorType: "AveragePool",
        name: "padding in the count",
        attributes: [
            "kernel_shape": .ints([3, 3]), "pads": .ints([1, 1, 1, 1]), "strides": .ints([2, 2]),
            "count_include_pad": .int(1),
        ],
        inputs: [[1, 2, 5, 4]],
        shape: [1, 2, 3, 2],
        expected: [
            -0.236111104, -0.208333328, 0.388888896, -0.236111104, 0.222222224, 0, -0.111111112, 0.138888896,
            -0.222222224, 0.125, 0.027777778, -0.291666657,
        ]
    ),
    ReferenceVector(
        operatorType: "AveragePool",
        name: "ceil_mode",
        attributes: ["kernel_shape": .ints([3, 3]), "strides": .ints([2, 2]), "ceil_mode": .int(1)],
        inputs: [[1, 2, 6, 4]],
        shape: [1, 2, 3, 2],
        expected: [
            -0.166666672, -0.1875, 0.361111104, -0.458333343, 0.4375, -0.0625, -0.180555552, 0.4375,
            0.027777778, -0.3125, 0.104166664, -0.875,
        ]
    ),
    ReferenceVector(
        operatorType: "AveragePool",
        name: "ceil_mode and padding in the count",
        attributes: [
            "kernel_shape": .ints([3, 2]), "strides": .ints([2, 3]), "pads": .ints([1, 0, 1, 1]), "ceil_mode": .int(1),
            "count_include_pad": .int(1),
        ],
        inputs: [[1, 1, 6, 6]],
        shape: [1, 1, 4, 2],
        expected: [
            -0.416666657, 0.354166657, 0.208333328, 0.166666672, 0.0416666679, 0, 0.21875, -0.28125,
        ]
    ),
    ReferenceVector(
        operatorType: "AveragePool",
        name: "dilation",
        attributes: ["kernel_shape": .ints([2, 2]), "dilations": .ints([2, 1])],
        inputs: [[1, 1, 5, 5]],
        shape: [1, 1, 3, 4],
        expected: [
            -0.8125, -0.1875, 0.4375, 0.34375, -0.5625, 0.0625, 0.6875, 0.59375, -0.3125, 0.3125, 0.21875,
            -0.59375,
        ]
    ),
    ReferenceVector(
        operatorType: "AveragePool",
        name: "SAME_UPPER",
        attributes: ["kernel_shape": .ints([2, 3]), "auto_pad": text("SAME_UPPER"), "strides": .ints([2, 2])],
        inputs: [[1, 1, 5, 6]],
        shape: [1, 1, 3, 3],
        expected: [
            -0.3125, 0.458333343, -0.28125, 0, -0.1875, 0.03125, -0.125, 0.166666672, -0.8125,
        ]
    ),
    ReferenceVector(
        operatorType: "LpPool",
        name: "p 3",
        attributes: ["kernel_shape": .ints([2, 2]), "p": .int(3)],
        inputs: [[1, 1, 4, 4]],
        shape: [1, 1, 3, 3],
        expected: [
            1.80381298, 1.25415289, 0.633224607, 1.80381298, 1.68901324, 0.933127761, 1.59715891, 1.83932555,
            1.42322028,
        ]
    ),
    ReferenceVector(
        operatorType: "LpPool",
        name: "padding",
        attributes: ["kernel_shape": .ints([3]), "pads": .ints([1, 1]), "strides": .ints([2])],
        inputs: [[1, 2, 7]],
        shape: [1, 2, 4],
        expected: [
            1.56624556, 0.910013735, 1.66770804, 1.23110723, 0.76034534, 1.79408753, 0.984250963, 1.06800044,
        ]
    ),
    ReferenceVector(
        operatorType: "GlobalAveragePool",
        name: "images",
        inputs: [[2, 3, 3, 5]],
        shape: [2, 3, 1, 1],
        expected: [
            -0.0666666701, -0.0833333358, 0.0916666687, 0.075000003, -0.13333334, 0.0416666679,
        ]
    ),
    ReferenceVector(
        operatorType: "GlobalMaxPool",
        name: "images",
        inputs: [[2, 3, 3, 5]],
        shape: [2, 3, 1, 1],
        expected: [
            1.375, 1.25, 1.375, 1.375, 1.25, 1.375,
        ]
    ),
    ReferenceVector(
        operatorType: "GlobalLpPool",
        name: "p 1",
        attributes: ["p": .int(1)],
        inputs: [[1, 2, 3, 5]],
        shape: [1, 2, 1, 1],
        expected: [
            11.5, 10.5,
        ]
    ),
]
