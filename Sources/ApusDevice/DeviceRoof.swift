/// What a device computes and moves at best: no kernel can be faster than the slower of both.
///
/// - Source: Williams, Waterman and Patterson, "Roofline: An Insightful Visual Performance Model", 2009.
package struct DeviceRoof: Sendable, Hashable, Codable {
    /// Arithmetic float32 operations a second, a multiply-add counted as two.
    package var operationsPerSecond: Double
    /// Bytes a second between the device and its memory.
    package var bytesPerSecond: Double

    package init(operationsPerSecond: Double, bytesPerSecond: Double) {
        self.operationsPerSecond = operationsPerSecond
        self.bytesPerSecond = bytesPerSecond
    }

    /// The shortest time in which so many operations on so many bytes can be done.
    package func seconds(operations: Int, bytes: Int) -> Double {
        max(Double(operations) / max(operationsPerSecond, 1), Double(bytes) / max(bytesPerSecond, 1))
    }
}
