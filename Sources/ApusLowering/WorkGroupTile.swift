import ApusDevice

/// The tile of the work-group kernels: `rows` x `columns` results of a group of `groupRows` x `groupColumns` work-items.
struct WorkGroupTile: Hashable {
    var rows: Int
    var columns: Int
    var depth: Int
    var groupRows: Int
    var groupColumns: Int

    /// From the largest to the smallest.
    static let candidates = [
        WorkGroupTile(rows: 128, columns: 128, depth: 16, groupRows: 16, groupColumns: 16),
        WorkGroupTile(rows: 128, columns: 64, depth: 16, groupRows: 16, groupColumns: 16),
        WorkGroupTile(rows: 64, columns: 64, depth: 16, groupRows: 16, groupColumns: 16),
        WorkGroupTile(rows: 64, columns: 32, depth: 16, groupRows: 16, groupColumns: 8),
        WorkGroupTile(rows: 32, columns: 32, depth: 16, groupRows: 8, groupColumns: 8),
        WorkGroupTile(rows: 16, columns: 16, depth: 16, groupRows: 4, groupColumns: 4),
    ]

    /// The largest tile that the device takes and that leaves every compute unit two groups; else the smallest.
    static func best(rows: Int, columns: Int, batch: Int, device: DeviceInfo) -> WorkGroupTile {
        let fitting = candidates.filter { tile in
            tile.groupRows * tile.groupColumns <= device.maximumWorkGroupSize
                && (tile.rows + tile.columns + 2) * tile.depth * 4 * 2 <= device.localMemoryBytes
        }
        return fitting.first { tile in
            ceilingDivision(rows, tile.rows) * ceilingDivision(columns, tile.columns) * batch
                >= 2 * device.computeUnits && tile.rows <= 2 * max(rows, 16) && tile.columns <= 2 * max(columns, 16)
        } ?? fitting.last ?? candidates[candidates.count - 1]
    }

    /// The defines of `microkernel/group.cl`.
    var defines: [String: String] {
        [
            "TILE_M": String(rows), "TILE_N": String(columns), "TILE_K": String(depth),
            "GROUP_M": String(groupRows), "GROUP_N": String(groupColumns), "VECTOR": "4",
        ]
    }
}
