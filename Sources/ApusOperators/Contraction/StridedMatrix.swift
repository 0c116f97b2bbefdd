import ApusTensor

/// A matrix in a tensor's elements, read at any strides.
package struct StridedMatrix: Sendable, Hashable {
    package var rows: Int
    package var columns: Int
    /// Elements between two rows.
    package var rowStride: Int
    /// Elements between two columns.
    package var columnStride: Int

    /// A row-major matrix, or its transpose.
    package init(rows: Int, columns: Int, isTransposed: Bool = false) {
        self.rows = rows
        self.columns = columns
        rowStride = isTransposed ? 1 : columns
        columnStride = isTransposed ? rows : 1
    }
}

/// A batch of matrix products `left * right`, with the element at which each operand starts.
struct MatrixProducts {
    var left: StridedMatrix
    var right: StridedMatrix
    /// The matrices of the left operand in memory, one after the other.
    var leftCount: Int
    /// For each product the number of its left and of its right matrix.
    var operands: [(left: Int, right: Int)]

    private var leftSize: Int { left.rows * left.columns }
    private var rightSize: Int { right.rows * right.columns }
    private var resultSize: Int { left.rows * right.columns }

    /// The products in row-major order, in the given type, real or integer.
    ///
    /// - Parameters:
    ///   - finishReal: changes a finished run of reals, given the row and the first column.
    ///   - finishInteger: changes one finished integer, given its row and column.
    func evaluate(
        _ a: Tensor,
        _ b: Tensor,
        _ type: TensorType,
        finishReal: ((_ row: Int, _ column: Int, _ values: UnsafeMutableBufferPointer<Double>) -> Void)? = nil,
        finishInteger: ((_ row: Int, _ column: Int, _ value: Int64) -> Int64)? = nil
    ) throws(ModelError) -> Tensor {
        guard type.elementType.isFloatingPoint else {
            return try evaluateIntegers(a.integers(), b.integers(), type, finishInteger ?? { $2 })
        }
        return a.withUnsafeBytes { aBytes in
            b.withUnsafeBytes { bBytes in
                Tensor(type) { output in
                    guard let aBase = aBytes.baseAddress, let bBase = bBytes.baseAddress,
                        let base = output.baseAddress
                    else { return }
                    let packed = PackedRows(matrices: leftCount, rows: left.rows, depth: left.columns) {
                        matrix,
                        row,
                        target in
                        let start = matrix * leftSize + row * left.rowStride
                        a.elementType.readDoubles(aBase, start: start, stride: left.columnStride, into: target)
                    }
                    packed.multiply(products: operands.count, columns: right.columns) {
                        operands[$0].left
                    } loadPanel: { product, column, panel in
                        loadPanel(b.elementType, bBase, operands[product].right * rightSize, column, panel)
                    } store: { product, row, column, values in
                        finishReal?(row, column, values)
                        let start = product * resultSize + row * right.columns + column
                        type.elementType.write(UnsafeBufferPointer(values), to: base, start: start)
                    }
                }
            }
        }
    }

    private func loadPanel(
        _ type: ElementType,
        _ base: UnsafeRawPointer,
        _ start: Int,
        _ column: Int,
        _ panel: UnsafeMutablePointer<SIMD8<Double>>
    ) {
        let lanes = min(8, right.columns - column)
        panel.withMemoryRebound(to: Double.self, capacity: 8 * right.rows) { target in
            if right.columnStride == 1 {
                for k in 0..<right.rows {
                    let row = UnsafeMutableBufferPointer(start: target + 8 * k, count: lanes)
                    type.readDoubles(base, start: start + k * right.rowStride + column, into: row)
                    for lane in lanes..<8 { target[8 * k + lane] = 0 }
                }
                return
            }
            withUnsafeTemporaryAllocation(of: Double.self, capacity: right.rows) { values in
                for lane in 0..<8 {
                    if lane < lanes {
                        let first = start + (column + lane) * right.columnStride
                        type.readDoubles(base, start: first, stride: right.rowStride, into: values)
                    } else {
                        values.update(repeating: 0)
                    }
                    for k in values.indices { target[8 * k + lane] = values[k] }
                }
            }
        }
    }

    private func evaluateIntegers(
        _ a: [Int],
        _ b: [Int],
        _ type: TensorType,
        _ finish: (Int, Int, Int64) -> Int64
    ) throws(ModelError) -> Tensor {
        var result = [Int](repeating: 0, count: type.elementCount)
        for (product, operand) in operands.enumerated() {
            for row in 0..<left.rows {
                for column in 0..<right.columns {
                    var sum = 0
                    var x = operand.left * leftSize + row * left.rowStride
                    var y = operand.right * rightSize + column * right.columnStride
                    for _ in 0..<left.columns {
                        sum &+= a[x] &* b[y]
                        x += left.columnStride
                        y += right.rowStride
                    }
                    let index = product * resultSize + row * right.columns + column
                    result[index] = Int(finish(row, column, Int64(sum)))
                }
            }
        }
        return try Tensor(type, wrapping: result)
    }
}
