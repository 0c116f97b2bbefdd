import ApusGraph

/// Expected values of ONNX Runtime 1.32 and, where it has no kernel, of onnx 1.22's reference evaluator (LRN: numpy).
let reductionVectors: [ReferenceVector] = [
    ReferenceVector(
        operatorType: "ReduceSum",
        name: "middle axis",
        attributes: ["keepdims": .int(0)],
        inputs: [[2, 3, 4]],
        axes: [1],
        shape: [2, 4],
        expected: [
            0.5, -0.5, -1.5, 0.375, 0, 1.875, 0.875, -3,
        ]
    ),
    ReferenceVector(
        operatorType: "ReduceSum",
        name: "two axes",
        inputs: [[2, 3, 4]],
        axes: [-1, 0],
        shape: [1, 3, 1],
        expected: [
            -2.25, 0.5, 0.375,
        ]
    ),
    ReferenceVector(
        operatorType: "ReduceSum",
        name: "all axes",
        attributes: ["keepdims": .int(0)],
        inputs: [[2, 3]],
        shape: [],
        expected: [
            -1.75
        ]
    ),
    ReferenceVector(
        operatorType: "ReduceSum",
        name: "no axes",
        attributes: ["noop_with_empty_axes": .int(1)],
        inputs: [[2, 3]],
        axes: [],
        shape: [2, 3],
        expected: [
            -1.375, -0.75, -0.125, 0.5, 1.125, -1.125,
        ]
    ),
    ReferenceVector(
        operatorType: "ReduceMean",
        name: "middle axis",
        attributes: ["keepdims": .int(0)],
        inputs: [[2, 3, 4]],
        axes: [1],
        shape: [2, 4],
        expected: [
            0.166666672, -0.166666672, -0.5, 0.125, 0, 0.625, 0.291666657, -1,
        ]
    ),
    ReferenceVector(
        operatorType: "ReduceMean",
        name: "two axes",
        inputs: [[2, 3, 4]],
        axes: [-1, 0],
        shape: [1, 3, 1],
        expected: [
            -0.28125, 0.0625, 0.046875,
        ]
    ),
    ReferenceVector(
        operatorType: "ReduceMean",
        name: "all axes",
        attributes: ["keepdims": .int(0)],
        inputs: [[2, 3]],
        shape: [],
        expected: [
            -0.291666657
        ]
    ),
    ReferenceVector(
        operatorType: "ReduceMean",
        name: "no axes",
        attributes: ["noop_with_empty_axes": .int(1)],
        inputs: [[2, 3]],
        axes: [],
        shape: [2, 3],
        expected: [
            -1.375, -0.75, -0.125, 0.5, 1.125, -1.125,
        ]
    ),
    ReferenceVector(
        operatorType: "ReduceMax",
        name: "middle axis",
        attributes: ["keepdims": .int(0)],
        inputs: [[2, 3, 4]],
        axes: [1],
        shape: [2, 4],
        expected: [
            1.125, 1.375, -0.125, 0.5, 0.375, 1, 1.25, -0.625,
        ]
    ),
    ReferenceVector(
        operatorType: "ReduceMax",
        name: "two axes",
        inputs: [[2, 3, 4]],
        axes: [-1, 0],
        shape: [1, 3, 1],
        expected: [
            1, 1.25, 1.375,
        ]
    ),
    ReferenceVector(
        operatorType: "ReduceMax",
        name: "all axes",
        attributes: ["keepdims": .int(0)],
        inputs: [[2, 3]],
        shape: [],
        expected: [
            1.125
        ]
    ),
    ReferenceVector(
        operatorType: "ReduceMax",
        name: "no axes",
        attributes: ["noop_with_empty_axes": .int(1)],
        inputs: [[2, 3]],
        axes: [],
        shape: [2, 3],
        expected: [
            -1.375, -0.75, -0.125, 0.5, 1.125, -1.125,
        ]
    ),
    ReferenceVector(
        operatorType: "ReduceMin",
        name: "middle axis",
        attributes: ["keepdims": .int(0)],
        inputs: [[2, 3, 4]],
        axes: [1],
        shape: [2, 4],
        expected: [
            -1.375, -1.125, -0.875, -0.25, -0.375, 0.25, -1.25, -1.375,
        ]
    ),
    ReferenceVector(
        operatorType: "ReduceMin",
        name: "two axes",
        inputs: [[2, 3, 4]],
        axes: [-1, 0],
        shape: [1, 3, 1],
        expected: [
            -1.375, -1.125, -1.375,
        ]
    ),
    ReferenceVector(
        operatorType: "ReduceMin",
        name: "all axes",
        attributes: ["keepdims": .int(0)],
        inputs: [[2, 3]],
        shape: [],
        expected: [
            -1.375
        ]
    ),
    ReferenceVector(
        operatorType: "ReduceMin",
        name: "no axes",
        attributes: ["noop_with_empty_axes": .int(1)],
        inputs: [[2, 3]],
        axes: [],
        shape: [2, 3],
        expected: [
            -1.375, -0.75, -0.125, 0.5, 1.125, -1.125,
        ]
    ),
    ReferenceVector(
        operatorType: "ReduceProd",
        name: "middle axis",
        attributes: ["keepdims": .int(0)],
        inputs: [[2, 3, 4]],
        axes: [1],
        shape: [2, 4],
        expected: [
            -1.16015625, 1.16015625, -0.0546875, -0.015625, -0, 0.15625, -1.3671875, -0.859375,
        ]
    ),
    ReferenceVector(
        operatorType: "ReduceProd",
        name: "two axes",
        inputs: [[2, 3, 4]],
        axes: [-1, 0],
        shape: [1, 3, 1],
        expected: [
            -0.0188827515, -0, 0.0254445076,
        ]
    ),
    ReferenceVector(
        operatorType: "ReduceProd",
        name: "all axes",
        attributes: ["keepdims": .int(0)],
        inputs: [[2, 3]],
        shape: [],
        expected: [
            0.0815734863
        ]
    ),
    ReferenceVector(
        operatorType: "ReduceProd",
        name: "no axes",
        attributes: ["noop_with_empty_axes": .int(1)],
        inputs: [[2, 3]],
        axes: [],
        shape: [2, 3],
        expected: [
            -1.375, -0.75, -0.125, 0.5, 1.125, -1.125,
        ]
    ),
    ReferenceVector(
        operatorType: "ReduceL1",
        name: "middle axis",
        attributes: ["keepdims": .int(0)],
        inputs: [[2, 3, 4]],
        axes: [1],
        shape: [2, 4],
        expected: [
            3.25, 3.25, 1.5, 0.875, 0.75, 1.875, 3.375, 3,
        ]
    ),
    ReferenceVector(
        operatorType: "ReduceL1",
        name: "two axes",
        inputs: [[2, 3, 4]],
        axes: [-1, 0],
        shape: [1, 3, 1],
        expected: [
            6, 5.75, 6.125,
        ]
    ),
    ReferenceVector(
        operatorType: "ReduceL1",
        name: "all axes",
        attributes: ["keepdims": .int(0)],
        inputs: [[2, 3]],
        shape: [],
        expected: [
            5
        ]
    ),
    ReferenceVector(
        operatorType: "ReduceL2",
        name: "middle axis",
        attributes: ["keepdims": .int(0)],
        inputs: [[2, 3, 4]],
        axes: [1],
        shape: [2, 4],
        expected: [
            1.92840612, 1.92840612, 1.01550484, 0.572821975, 0.530330062, 1.20545638, 1.97246671, 1.81142211,
        ]
    ),
    ReferenceVector(
        operatorType: "ReduceL2",
        name: "two axes",
        inputs: [[2, 3, 4]],
        axes: [-1, 0],
        shape: [1, 3, 1],
        expected: [
            2.41091275, 2.39791584, 2.47802854,
        ]
    ),
    ReferenceVector(
        operatorType: "ReduceL2",
        name: "all axes",
        attributes: ["keepdims": .int(0)],
        inputs: [[2, 3]],
        shape: [],
        expected: [
            2.2912879
        ]
    ),
    ReferenceVector(
        operatorType: "ReduceLogSumExp",
        name: "middle axis",
        attributes: ["keepdims": .int(0)],
        inputs: [[2, 3, 4]],
        axes: [1],
        shape: [2, 4],
        expected: [
            1.69562602, 1.55858564, 0.64494884, 1.26994884, 1.14494884, 1.76994884, 1.82062602, 0.14494884,
        ]
    ),
    ReferenceVector(
        operatorType: "ReduceLogSumExp",
        name: "two axes",
        inputs: [[2, 3, 4]],
        axes: [-1, 0],
        shape: [1, 3, 1],
        expected: [
            2.11039066, 2.47409964, 2.47576237,
        ]
    ),
    ReferenceVector(
        operatorType: "ReduceLogSumExp",
        name: "all axes",
        attributes: ["keepdims": .int(0)],
        inputs: [[2, 3]],
        shape: [],
        expected: [
            1.89631367
        ]
    ),
    ReferenceVector(
        operatorType: "ReduceSumSquare",
        name: "middle axis",
        attributes: ["keepdims": .int(0)],
        inputs: [[2, 3, 4]],
        axes: [1],
        shape: [2, 4],
        expected: [
            3.71875, 3.71875, 1.03125, 0.328125, 0.28125, 1.453125, 3.890625, 3.28125,
        ]
    ),
    ReferenceVector(
        operatorType: "ReduceSumSquare",
        name: "two axes",
        inputs: [[2, 3, 4]],
        axes: [-1, 0],
        shape: [1, 3, 1],
        expected: [
            5.8125, 5.75, 6.140625,
        ]
    ),
    ReferenceVector(
        operatorType: "ReduceSumSquare",
        name: "all axes",
        attributes: ["keepdims": .int(0)],
        inputs: [[2, 3]],
        shape: [],
        expected: [
            5.25
        ]
    ),
    ReferenceVector(
        operatorType: "Softmax",
        name: "last axis",
        inputs: [[3, 5]],
        shape: [3, 5],
        expected: [
            0.0399012007, 0.0745452642, 0.139268875, 0.26018852, 0.486096144, 0.0399012007, 0.0745452642,
            0.139268875, 0.26018852, 0.486096144, 0.0737099051, 0.137708232, 0.257272869, 0.480648965,
            0.0506600291,
        ]
    ),
    ReferenceVector(
        operatorType: "Softmax",
        name: "first axis",
        attributes: ["axis": .int(0)],
        inputs: [[3, 5]],
        shape: [3, 5],
        expected: [
            0.254275233, 0.254275233, 0.254275233, 0.254275233, 0.420691282, 0.326495856, 0.326495856,
            0.326495856, 0.326495856, 0.540178299, 0.419228971, 0.419228971, 0.419228971, 0.419228971,
            0.0391303822,
        ]
    ),
    ReferenceVector(
        operatorType: "Softmax",
        name: "middle axis",
        attributes: ["axis": .int(1)],
        inputs: [[2, 4, 3]],
        shape: [2, 4, 3],
        expected: [
            0.0391200706, 0.0925738141, 0.215088382, 0.255094886, 0.603657067, 0.0791266039, 0.0938441753,
            0.222073033, 0.51597023, 0.611940861, 0.0816961005, 0.189814851, 0.215088382, 0.419162124,
            0.0925738141, 0.0791266039, 0.154201135, 0.603657067, 0.51597023, 0.0567274243, 0.222073033,
            0.189814851, 0.369909286, 0.0816961005,
        ]
    ),
    ReferenceVector(
        operatorType: "LogSoftmax",
        name: "last axis",
        inputs: [[3, 5]],
        shape: [3, 5],
        expected: [
            -3.22134876, -2.59634876, -1.97134876, -1.34634876, -0.721348822, -3.22134876, -2.59634876,
            -1.97134876, -1.34634876, -0.721348822, -2.60761809, -1.98261809, -1.35761809, -0.732618034,
            -2.98261809,
        ]
    ),
    ReferenceVector(
        operatorType: "LogSoftmax",
        name: "first axis",
        attributes: ["axis": .int(0)],
        inputs: [[3, 5]],
        shape: [3, 5],
        expected: [
            -1.36933804, -1.36933804, -1.36933804, -1.36933804, -0.865855992, -1.11933804, -1.11933804,
            -1.11933804, -1.11933804, -0.615855992, -0.869338036, -0.869338036, -0.869338036, -0.869338036,
            -3.24085593,
        ]
    ),
    ReferenceVector(
        operatorType: "LogSoftmax",
        name: "middle axis",
        attributes: ["axis": .int(1)],
        inputs: [[2, 4, 3]],
        shape: [2, 4, 3],
        expected: [
            -3.24111962, -2.37974906, -1.53670621, -1.36611962, -0.50474906, -2.53670621, -2.36611962,
            -1.50474906, -0.661706269, -0.491119683, -2.50474906, -1.66170621, -1.53670621, -0.869497478,
            -2.37974906, -2.53670621, -1.86949754, -0.50474906, -0.661706269, -2.86949754, -1.50474906,
            -1.66170621, -0.994497478, -2.50474906,
        ]
    ),
    ReferenceVector(
        operatorType: "Hardmax",
        name: "last axis",
        inputs: [[3, 5]],
        shape: [3, 5],
        expected: [
            0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0,
        ]
    ),
    ReferenceVector(
        operatorType: "Hardmax",
        name: "first axis",
        attributes: ["axis": .int(0)],
        inputs: [[3, 5]],
        shape: [3, 5],
        expected: [
            0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0,
        ]
    ),
    ReferenceVector(
        operatorType: "Hardmax",
        name: "middle axis",
        attributes: ["axis": .int(1)],
        inputs: [[2, 4, 3]],
        shape: [2, 4, 3],
        expected: [
            0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0,
        ]
    ),
    ReferenceVector(
        operatorType: "ArgMax",
        name: "default axis",
        inputs: [[4, 5]],
        shape: [1, 5],
        expected: [
            3, 3, 3, 3, 1,
        ]
    ),
    ReferenceVector(
        operatorType: "ArgMax",
        name: "last axis",
        attributes: ["axis": .int(-1), "keepdims": .int(0)],
        inputs: [[4, 25]],
        shape: [4],
        expected: [
            9, 7, 5, 3,
        ]
    ),
    ReferenceVector(
        operatorType: "ArgMax",
        name: "last of equal elements",
        attributes: ["axis": .int(1), "select_last_index": .int(1)],
        inputs: [[2, 47]],
        shape: [2, 1],
        expected: [
            32, 31,
        ]
    ),
    ReferenceVector(
        operatorType: "ArgMin",
        name: "default axis",
        inputs: [[4, 5]],
        shape: [1, 5],
        expected: [
            0, 0, 0, 0, 2,
        ]
    ),
    ReferenceVector(
        operatorType: "ArgMin",
        name: "last axis",
        attributes: ["axis": .int(-1), "keepdims": .int(0)],
        inputs: [[4, 25]],
        shape: [4],
        expected: [
            0, 21, 19, 17,
        ]
    ),
    ReferenceVector(
        operatorType: "ArgMin",
        name: "last of equal elements",
        attributes: ["axis": .int(1), "select_last_index": .int(1)],
        inputs: [[2, 47]],
        shape: [2, 1],
        expected: [
            46, 45,
        ]
    ),
]
