package import ApusDevice

/// How a device answered one case of the operator suite.
package struct CaseVerdict: Sendable, Hashable, Codable {
    /// The family of tiled kernels that the case was lowered for.
    package var executionModel: ExecutionModel
    package var operatorType: String
    package var name: String
    /// Whether every node ran on the device; the others ran on the host.
    package var isOnDevice = true
    /// The kernels that ran: files below `Kernels/`, or the names of generated ones.
    package var kernels: [String] = []
    /// The largest relative L2 error of an output.
    package var relativeL2 = 0.0
    /// Why the case failed; `nil` where it passed.
    package var problem: String?

    package init(executionModel: ExecutionModel, operatorType: String, name: String, problem: String? = nil) {
        self.executionModel = executionModel
        self.operatorType = operatorType
        self.name = name
        self.problem = problem
    }

    package var isGood: Bool { problem == nil }
}
