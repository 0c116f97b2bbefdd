/// Places blocks of known lifetimes in one arena.
///
/// - Source: Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020 (greedy by size).
package struct MemoryPlan: Sendable {
    /// A block of memory that is in use from one step to another, both included.
    package struct Block: Sendable {
        package var byteCount: Int
        package var firstStep: Int
        package var lastStep: Int

        package init(byteCount: Int, firstStep: Int, lastStep: Int) {
            self.byteCount = byteCount
            self.firstStep = firstStep
            self.lastStep = lastStep
        }
    }

    /// The offset of each block in bytes, a multiple of the alignment.
    package let offsets: [Int]
    package let arenaBytes: Int

    /// - Complexity: quadratic in the number of blocks.
    package init(_ blocks: [Block], alignment: Int = 128) {
        var offsets = [Int](repeating: 0, count: blocks.count)
        var placed: [Int] = []
        var total = 0
        func rounded(_ byteCount: Int) -> Int { (max(byteCount, 1) + alignment - 1) / alignment * alignment }
        for index in blocks.indices.sorted(by: {
            (blocks[$1].byteCount, $0) < (blocks[$0].byteCount, $1)
        }) {
            let block = blocks[index]
            let size = rounded(block.byteCount)
            var best: (gap: Int, offset: Int)?
            var end = 0
            for other in placed
            where blocks[other].firstStep <= block.lastStep && block.firstStep <= blocks[other].lastStep {
                let gap = offsets[other] - end
                if gap >= size, gap < best?.gap ?? Int.max { best = (gap, end) }
                end = max(end, offsets[other] + rounded(blocks[other].byteCount))
            }
            offsets[index] = best?.offset ?? end
            total = max(total, offsets[index] + size)
            let position = placed.firstIndex { offsets[$0] > offsets[index] } ?? placed.endIndex
            placed.insert(index, at: position)
        }
        self.offsets = offsets
        arenaBytes = total
    }
}
