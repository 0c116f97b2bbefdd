import ApusTensor

/// Copies of elements of any type to other places; types narrower than a byte are spread over bytes meanwhile.
enum ElementMovement {
    /// Makes a tensor of the input's element type whose bytes a closure writes.
    ///
    /// - Parameter body: takes the source, the target and the bytes of one element; it is not called for empty results.
    static func make(
        _ input: Tensor,
        _ shape: [Int],
        _ body: (UnsafeRawPointer, UnsafeMutableRawPointer, Int) -> Void
    ) -> Tensor {
        if input.elementType.bitWidth % 8 != 0 {
            return packed(make(unpacked(input), shape, body), input.elementType)
        }
        let type = TensorType(input.elementType, shape)
        return input.withUnsafeBytes { source in
            Tensor(type) { bytes in
                guard let target = bytes.baseAddress, type.elementCount > 0 else { return }
                body(source.baseAddress ?? UnsafeRawPointer(target), target, input.elementType.bitWidth / 8)
            }
        }
    }

    /// The result whose element at each coordinate is the input's at `offset` plus the strides' sum.
    static func strided(_ input: Tensor, _ shape: [Int], strides: [Int], offset: Int = 0) -> Tensor {
        let views = StridedViews(shape, [strides])
        let count = shape.reduce(1, *)
        return make(input, shape) { source, target, size in
            parallelFor(count, grain: 1 << 15) { range in
                views.forEachRun(0, range.lowerBound, range.count) { start, element, stride, length in
                    copyRun(
                        source + (offset + element) * size,
                        stride,
                        target + (range.lowerBound + start) * size,
                        length,
                        size
                    )
                }
            }
        }
    }

    /// The result whose element at coordinates c is the input's at `maps[0][c0], maps[1][c1], ...`.
    ///
    /// - Parameters:
    ///   - maps: for each axis of the result a coordinate of the input, -1 where `fill` stands instead.
    ///   - fill: a tensor of one element of the same type.
    static func mapped(_ input: Tensor, maps: [[Int]], fill: Tensor? = nil) -> Tensor {
        let shape = maps.map(\.count)
        let strides = contiguousStrides(input.shape)
        guard let inner = maps.last else { return input }
        guard !shape.contains(0) else { return Tensor(zeros: TensorType(input.elementType, shape)) }
        let isRun = inner.indices.allSatisfy { inner[$0] == inner[0] + $0 && inner[0] >= 0 }
        let rows = shape.dropLast().reduce(1, *)
        let fill = fill.map { $0.elementType.bitWidth % 8 == 0 ? $0 : unpacked($0) }
        let fillAddress = fill.map { $0.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) } }
        return withExtendedLifetime(fill) {
            make(input, shape) { source, target, size in
                let filling = fillAddress.flatMap { UnsafeRawPointer(bitPattern: $0) } ?? source
                parallelFor(rows, grain: max(1, (1 << 14) / inner.count)) { range in
                    for row in range {
                        var rest = row
                        var element = 0
                        var isFilled = false
                        for axis in (0..<maps.count - 1).reversed() {
                            let coordinate = maps[axis][rest % shape[axis]]
                            rest /= shape[axis]
                            if coordinate < 0 { isFilled = true } else { element += coordinate * strides[axis] }
                        }
                        let output = target + row * inner.count * size
                        if isFilled {
                            copyRun(filling, 0, output, inner.count, size)
                        } else if isRun {
                            output.copyMemory(from: source + (element + inner[0]) * size, byteCount: inner.count * size)
                        } else {
                            for (column, coordinate) in inner.enumerated() {
                                let from = coordinate < 0 ? filling : source + (element + coordinate) * size
                                copyElement(from, output + column * size, size)
                            }
                        }
                    }
                }
            }
        }
    }

    /// The result whose element n is the input's number `index(n)`, or zero where that is negative.
    static func gathered(_ input: Tensor, _ shape: [Int], _ index: (Int) -> Int) -> Tensor {
        let count = shape.reduce(1, *)
        return make(input, shape) { source, target, size in
            parallelFor(count, grain: 1 << 14) { range in
                for position in range {
                    let element = index(position)
                    if element >= 0 { copyElement(source + element * size, target + position * size, size) }
                }
            }
        }
    }

    /// Copies evenly spaced elements next to each other.
    static func copyRun(
        _ source: UnsafeRawPointer,
        _ stride: Int,
        _ target: UnsafeMutableRawPointer,
        _ count: Int,
        _ size: Int
    ) {
        func copy<Element: BitwiseCopyable>(_: Element.Type) {
            for index in 0..<count {
                let value = source.loadUnaligned(fromByteOffset: index * stride * size, as: Element.self)
                target.storeBytes(of: value, toByteOffset: index * size, as: Element.self)
            }
        }
        if stride == 1 { return target.copyMemory(from: source, byteCount: count * size) }
        switch size {
        case 1: copy(UInt8.self)
        case 2: copy(UInt16.self)
        case 4: copy(UInt32.self)
        case 8: copy(UInt64.self)
        default:
            for index in 0..<count { copyElement(source + index * stride * size, target + index * size, size) }
        }
    }

    private static func copyElement(_ source: UnsafeRawPointer, _ target: UnsafeMutableRawPointer, _ size: Int) {
        switch size {
        case 1: target.storeBytes(of: source.load(as: UInt8.self), as: UInt8.self)
        case 2: target.storeBytes(of: source.loadUnaligned(as: UInt16.self), as: UInt16.self)
        case 4: target.storeBytes(of: source.loadUnaligned(as: UInt32.self), as: UInt32.self)
        case 8: target.storeBytes(of: source.loadUnaligned(as: UInt64.self), as: UInt64.self)
        default: target.copyMemory(from: source, byteCount: size)
        }
    }

    /// The codes of elements narrower than a byte, one a byte.
    static func unpacked(_ input: Tensor) -> Tensor {
        input.withUnsafeBytes { source in
            Tensor(TensorType(.uint8, input.shape)) { bytes in
                guard let address = source.baseAddress else { return }
                for index in bytes.indices { bytes[index] = input.elementType.packed(address, index) }
            }
        }
    }

    /// The inverse of `unpacked`.
    static func packed(_ codes: Tensor, _ elementType: ElementType) -> Tensor {
        codes.withUnsafeBytes { source in
            Tensor(TensorType(elementType, codes.shape)) { bytes in
                guard let address = bytes.baseAddress else { return }
                for index in source.indices { elementType.pack(source[index], address, index) }
            }
        }
    }
}
