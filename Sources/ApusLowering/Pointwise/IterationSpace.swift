package import ApusDevice
import ApusGraph
package import ApusTensor

/// An operand as a kernel walks it: where its first element lies, and the distance to the next along every axis.
package struct StridedView: Sendable, Hashable {
    package var reference: BufferReference
    /// The first element's place in the buffer, in elements.
    package var offset: Int
    package var elementType: ElementType
    /// Elements between neighbours, by axis of the walk; 0 where the operand is broadcast.
    package var pitches: [Int]

    package init(_ reference: BufferReference, offset: Int = 0, elementType: ElementType, pitches: [Int]) {
        self.reference = reference
        self.offset = offset
        self.elementType = elementType
        self.pitches = pitches
    }

    /// The view as two kernel parameters.
    package func argument(_ access: KernelArgument.Access) -> KernelArgument {
        .tensor(reference, offset: offset, elementBytes: elementType.bitWidth / 8, access: access)
    }
}

extension Operand {
    /// The whole operand.
    package var view: StridedView {
        StridedView(.value(id), offset: layout.offset, elementType: type.elementType, pitches: layout.pitches)
    }

    /// The operand with its trailing axes aligned to those of a shape; axes that it lacks or that are wider there repeat.
    package func view(broadcastTo shape: [Int]) -> StridedView {
        var view = view
        let missing = shape.count - type.rank
        view.pitches = shape.indices.map { axis in
            let repeats = axis < missing || (type.shape[axis - missing] == 1 && shape[axis] != 1)
            return repeats ? 0 : layout.pitches[axis - missing]
        }
        return view
    }
}

/// The axes that a kernel walks, outermost first: extents of one dropped, neighbours merged where all pitches allow it.
package struct IterationSpace: Sendable, Hashable {
    /// At least one extent; the last is the innermost.
    package private(set) var extents: [Int]
    /// Elements between neighbours, by operand, then by axis.
    package private(set) var pitches: [[Int]]

    /// - Parameters:
    ///   - order: the axes, outermost first: the order of the output in memory.
    ///   - pitches: one list an operand, by axis of the shape.
    package init(shape: [Int], order: [Int], pitches: [[Int]]) {
        extents = []
        self.pitches = pitches.map { _ in [] }
        for axis in order where shape[axis] != 1 {
            let merges =
                !extents.isEmpty
                && pitches.indices.allSatisfy { operand in
                    self.pitches[operand][extents.count - 1] == pitches[operand][axis] * shape[axis]
                }
            if merges {
                extents[extents.count - 1] *= shape[axis]
                for operand in pitches.indices { self.pitches[operand][extents.count - 1] = pitches[operand][axis] }
            } else {
                extents.append(shape[axis])
                for operand in pitches.indices { self.pitches[operand].append(pitches[operand][axis]) }
            }
        }
        if extents.isEmpty {
            extents = [1]
            self.pitches = pitches.map { _ in [0] }
        }
    }

    /// The space for a kernel whose text depends on how operands move along the innermost axis.
    ///
    /// An innermost axis of extent 1 stays where operands are contiguous along it and would not be without it, so that a
    /// sequence of one element finds the program of longer ones.
    package static func keepingInnermost(shape: [Int], order: [Int], pitches: [[Int]]) -> IterationSpace {
        var result = IterationSpace(shape: shape, order: order, pitches: pitches)
        guard let axis = order.last, shape[axis] == 1, pitches.allSatisfy({ (0...1).contains($0[axis]) }) else {
            return result
        }
        let own = pitches.map { $0[axis] }
        if result.elementCount == 1 {
            result.pitches = own.map { [$0] }
        } else if zip(result.pitches, own).contains(where: { $0.last != $1 }) {
            result.extents.append(1)
            for operand in pitches.indices { result.pitches[operand].append(own[operand]) }
        }
        return result
    }

    /// The space with axes of extent 1 in front, as many as its rank lacks.
    ///
    /// A generated kernel whose rank is that of the tensor serves every shape: which axes merge depends on extents.
    package func padded(toRank rank: Int) -> IterationSpace {
        var result = self
        let missing = max(0, rank - extents.count)
        result.extents.insert(contentsOf: repeatElement(1, count: missing), at: 0)
        for operand in pitches.indices {
            result.pitches[operand].insert(contentsOf: repeatElement(0, count: missing), at: 0)
        }
        return result
    }

    /// Gives an operand other pitches, by axis of the space.
    package mutating func replacePitches(_ operand: Int, _ pitches: [Int]) { self.pitches[operand] = pitches }

    package var elementCount: Int { extents.reduce(1, *) }
    package var innerExtent: Int { extents[extents.count - 1] }
    package var rowCount: Int { extents.dropLast().reduce(1, *) }

    /// How an operand moves along the innermost axis.
    package func innerStep(_ operand: Int) -> InnerStep {
        switch pitches[operand][extents.count - 1] {
        case 0: .broadcast
        case 1: .contiguous
        default: .strided
        }
    }

    /// Extents and pitches as kernel arguments, in the order: extents, then the pitches of each operand.
    ///
    /// - Throws: `ModelError` with code `unsupported` if one exceeds 32 bits.
    package func arguments() throws(ModelError) -> [KernelArgument] {
        try intArguments(extents + pitches.joined())
    }
}

/// How an operand moves along the innermost axis of a kernel: it decides the text, so it is part of the program.
package enum InnerStep: Sendable, Hashable {
    case broadcast, contiguous, strided
}

/// Sizes as `int` parameters.
///
/// - Throws: `ModelError` with code `unsupported` if one exceeds 32 bits.
package func intArguments(_ values: [Int]) throws(ModelError) -> [KernelArgument] {
    guard values.allSatisfy({ Int32(exactly: $0) != nil }) else {
        throw ModelError(.unsupported, "an extent or a pitch of the kernel exceeds 32 bits")
    }
    return values.map { .int($0) }
}

/// How the units of a kernel are dealt out to work-items.
package struct WorkSplit: Sendable, Hashable {
    /// Elements of one row that one unit covers; a multiple of the vector length.
    package var segment: Int
    package var segmentsPerRow: Int
    package var units: Int
    package var unitsPerItem: Int
    package var globalSize: [Int]
    package var localSize: [Int]?

    /// Splits rows of elements: whole chunks of rows for a CPU, one vector a work-item for a GPU.
    ///
    /// - Parameters:
    ///   - weight: the rough cost of one element, in simple operations.
    ///   - granularity: the smallest segment of a row worth a work-item of its own on a CPU, in elements.
    package init(
        rows: Int,
        innerExtent: Int,
        lanes: Int,
        weight: Int,
        granularity: Int = 64,
        device: DeviceInfo
    ) {
        switch device.executionModel {
        case .workItemTile:
            let total = rows * innerExtent
            let items = Self.items(total: total, weight: weight, device: device)
            let share = max(1, (total + items - 1) / items)
            let step = granularity
            segment = share >= innerExtent ? innerExtent : min(innerExtent, (share + step - 1) / step * step)
            segment = max(1, segment)
            segmentsPerRow = max(1, (innerExtent + segment - 1) / segment)
            units = rows * segmentsPerRow
            unitsPerItem = max(1, (units + items - 1) / items)
            globalSize = [max(1, (units + unitsPerItem - 1) / unitsPerItem)]
            localSize = [1]
        case .workGroupTile:
            segment = lanes
            segmentsPerRow = max(1, (innerExtent + lanes - 1) / lanes)
            units = rows * segmentsPerRow
            unitsPerItem = 1
            let group = min(device.maximumWorkGroupSize, 128)
            globalSize = [(units + group - 1) / group * group]
            localSize = [group]
        }
    }

    /// The number of work-items that keeps every core of a CPU busy without making any too small.
    ///
    /// - Parameter perUnit: the most items for each core.
    package static func items(total: Int, weight: Int, perUnit: Int = 24, device: DeviceInfo) -> Int {
        let (cost, overflow) = total.multipliedReportingOverflow(by: max(1, weight))
        let worthwhile = overflow ? Int.max : cost / 8192
        return max(1, min(worthwhile, perUnit * max(1, device.computeUnits)))
    }

    /// `segment, segmentsPerRow, units, unitsPerItem` as `int` parameters.
    package func arguments() throws(ModelError) -> [KernelArgument] {
        guard units < 1 << 30 else {
            throw ModelError(.unsupported, "a kernel of \(units) work units exceeds 32 bits")
        }
        return try intArguments([segment, segmentsPerRow, units, unitsPerItem])
    }
}
