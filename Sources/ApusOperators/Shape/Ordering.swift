package import ApusGraph
package import ApusTensor

/// ONNX `TopK` (opset 24): the largest or smallest elements along an axis with their places; of equal ones the first.
package struct TopK: Operator {
    private let axis: Int
    private let isLargest: Bool

    package init(_ node: Node) throws(ModelError) {
        axis = try node.attributes.int("axis", default: -1)
        isLargest = try node.attributes.bool("largest", default: true)
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let elementType = try inputs.elementType(0)
        guard elementType.isFloatingPoint || elementType.isInteger else {
            throw ModelError(.invalidModel, "\(elementType) has no order")
        }
        guard !inputs.isDataDependent, let count = try inputs.knownIntegers(1) else {
            return [.dataDependent(elementType), .dataDependent(.int64)]
        }
        var type = try inputs.type(0)
        let axis = try normalizedAxis(axis, rank: type.rank)
        guard count.count == 1, count[0] >= 0, count[0] <= type.shape[axis] else {
            throw ModelError(.invalidInput, "K is \(count), the axis has \(type.shape[axis]) elements")
        }
        type.shape[axis] = count[0]
        return [ValueFact(type), ValueFact(TensorType(.int64, type.shape))]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let input = try inputs.tensor(0)
        let axis = try normalizedAxis(axis, rank: input.rank)
        let count = try inputs.tensor(1).integers().first ?? 0
        let places: [Int]
        if input.elementType.isFloatingPoint {
            let values = try input.doubles()
            let isLargest = isLargest
            places = select(input.shape, axis, count) { a, b in
                let (x, y) = (values[a], values[b])
                if x.isNaN || y.isNaN { return isLargest ? x.isNaN && !y.isNaN : y.isNaN && !x.isNaN }
                return isLargest ? x > y : x < y
            }
        } else {
            let bias = input.elementType == .uint64 ? Int.min : 0
            let values = try input.integers()
            let isLargest = isLargest
            places = select(input.shape, axis, count) { a, b in
                isLargest ? values[a] ^ bias > values[b] ^ bias : values[a] ^ bias < values[b] ^ bias
            }
        }
        var shape = input.shape
        shape[axis] = count
        let stride = contiguousStrides(input.shape)[axis]
        let extent = input.shape[axis]
        let indices = places.map { extent == 0 ? 0 : $0 / stride % extent }
        return [
            .tensor(ElementMovement.gathered(input, shape) { places[$0] }),
            .tensor(try Tensor(TensorType(.int64, shape), wrapping: indices)),
        ]
    }

    /// The places of the chosen elements, in the order of the result.
    private func select(_ shape: [Int], _ axis: Int, _ count: Int, _ precedes: (Int, Int) -> Bool) -> [Int] {
        let inner = shape[(axis + 1)...].reduce(1, *)
        let outer = shape[..<axis].reduce(1, *)
        let extent = shape[axis]
        var places = [Int](repeating: 0, count: outer * count * inner)
        for row in 0..<outer {
            for column in 0..<inner {
                let first = row * extent * inner + column
                var line = (0..<extent).map { first + $0 * inner }
                line.sort { precedes($0, $1) || (!precedes($1, $0) && $0 < $1) }
                for rank in 0..<count { places[(row * count + rank) * inner + column] = line[rank] }
            }
        }
        return places
    }
}

/// ONNX `CumSum` (opset 14) and `CumProd` (opset 26): running sums or products along an axis.
package struct Cumulation: Operator {
    private let isProduct: Bool
    private let isExclusive: Bool
    private let isReverse: Bool

    package init(_ node: Node) throws(ModelError) {
        isProduct = node.operatorType == "CumProd"
        isExclusive = try node.attributes.bool("exclusive", default: false)
        isReverse = try node.attributes.bool("reverse", default: false)
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let elementType = try inputs.elementType(0)
        guard elementType.isFloatingPoint || elementType.isInteger else {
            throw ModelError(.invalidModel, "\(elementType) cannot be added")
        }
        guard !inputs.isDataDependent else { return [.dataDependent(elementType)] }
        let type = try inputs.type(0)
        if let axis = try inputs.knownIntegers(1) {
            guard axis.count == 1 else { throw ModelError(.invalidModel, "the axis is \(axis), expected one") }
            _ = try normalizedAxis(axis[0], rank: type.rank)
        } else {
            _ = try inputs.type(1)
        }
        return [ValueFact(type)]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let input = try inputs.tensor(0)
        guard let given = try inputs.tensor(1).integers().first else {
            throw ModelError(.invalidModel, "the axis is missing")
        }
        let axis = try normalizedAxis(given, rank: input.rank)
        if input.elementType.isFloatingPoint {
            var values = try input.doubles()
            let isProduct = isProduct
            accumulate(&values, input.shape, axis, isProduct ? 1 : 0) { isProduct ? $0 * $1 : $0 + $1 }
            return [.tensor(try Tensor(input.type, rounding: values))]
        }
        var values = try input.integers()
        let isProduct = isProduct
        accumulate(&values, input.shape, axis, isProduct ? 1 : 0) { isProduct ? $0 &* $1 : $0 &+ $1 }
        return [.tensor(try Tensor(input.type, wrapping: values))]
    }

    private func accumulate<Number>(
        _ values: inout [Number],
        _ shape: [Int],
        _ axis: Int,
        _ neutral: Number,
        _ combine: (Number, Number) -> Number
    ) {
        let inner = shape[(axis + 1)...].reduce(1, *)
        let outer = shape[..<axis].reduce(1, *)
        let extent = shape[axis]
        for row in 0..<outer {
            for column in 0..<inner {
                var sum = neutral
                for step in 0..<extent {
                    let level = isReverse ? extent - 1 - step : step
                    let place = (row * extent + level) * inner + column
                    let next = combine(sum, values[place])
                    values[place] = isExclusive ? sum : next
                    sum = next
                }
            }
        }
    }
}

/// ONNX `Unique` (opset 11): the distinct elements or slices, with their first places, inverse places and counts.
package struct Unique: Operator {
    private let axis: Int?
    private let isSorted: Bool
    private let outputCount: Int

    package init(_ node: Node) throws(ModelError) {
        axis = try node.attributes.int("axis")
        isSorted = try node.attributes.bool("sorted", default: true)
        outputCount = node.outputs.count
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let elementType = try inputs.elementType(0)
        guard elementType.isNumeric else { throw ModelError(.unsupported, "\(elementType) is not numeric") }
        if let axis, let type = inputs.first.flatMap({ $0?.type }) { _ = try normalizedAxis(axis, rank: type.rank) }
        return (0..<outputCount).map { .dataDependent($0 == 0 ? elementType : .int64) }
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let given = try inputs.tensor(0)
        let input = axis == nil ? try given.reshaped([given.elementCount]) : given
        let axis = try normalizedAxis(axis ?? 0, rank: input.rank)
        let inner = input.shape[(axis + 1)...].reduce(1, *)
        let outer = input.shape[..<axis].reduce(1, *)
        let extent = input.shape[axis]
        let order: (Int, Int) -> Int
        if input.elementType.isFloatingPoint {
            let values = try input.doubles()
            order = { a, b in
                let (x, y) = (values[a], values[b])
                if x.isNaN || y.isNaN { return x.isNaN ? (y.isNaN ? a - b : 1) : -1 }
                return x < y ? -1 : x > y ? 1 : 0
            }
        } else {
            let bias = input.elementType == .uint64 ? Int.min : 0
            let values = try input.integers()
            order = { a, b in values[a] ^ bias < values[b] ^ bias ? -1 : values[a] == values[b] ? 0 : 1 }
        }
        func compare(_ a: Int, _ b: Int) -> Int {
            for row in 0..<outer {
                for column in 0..<inner {
                    let base = row * extent * inner + column
                    let result = order(base + a * inner, base + b * inner)
                    if result != 0 { return result }
                }
            }
            return 0
        }
        let sorted = (0..<extent).sorted {
            let result = compare($0, $1)
            return result != 0 ? result < 0 : $0 < $1
        }
        var groups: [[Int]] = []
        for place in sorted {
            if let last = groups.last, compare(last[0], place) == 0 {
                groups[groups.count - 1].append(place)
            } else {
                groups.append([place])
            }
        }
        if !isSorted { groups.sort { $0[0] < $1[0] } }
        var inverse = [Int](repeating: 0, count: extent)
        for (number, group) in groups.enumerated() {
            for place in group { inverse[place] = number }
        }
        func vector(_ values: [Int]) throws -> RuntimeValue {
            .tensor(try Tensor(TensorType(.int64, [values.count]), wrapping: values))
        }
        let first = groups.map { $0[0] }
        let maps = input.shape.indices.map { $0 == axis ? first : Array(0..<input.shape[$0]) }
        let results = [
            RuntimeValue.tensor(ElementMovement.mapped(input, maps: maps)), try vector(first), try vector(inverse),
            try vector(groups.map(\.count)),
        ]
        return Array(results.prefix(outputCount))
    }
}
