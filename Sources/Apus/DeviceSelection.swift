import ApusDevice
package import ApusOpenCL

/// Which device runs a model.
public enum DeviceSelection: Sendable, Hashable, CustomStringConvertible {
    /// The first GPU or accelerator that is no software GPU, else the first CPU, else the reference.
    case automatic
    /// The pure-Swift reference on the host.
    case reference
    /// OpenCL device number n: GPUs first, then accelerators, then CPUs.
    case openCL(Int)
    case openCLGPU
    case openCLCPU
    /// The first OpenCL device whose name holds the text, letter case ignored.
    case openCLNamed(String)

    /// Reads `auto`, `reference`, `opencl:N`, `opencl:gpu`, `opencl:cpu` or `opencl:NAME`.
    ///
    /// - Returns: `nil` for any other text.
    public init?(_ text: String) {
        switch text.lowercased() {
        case "auto": self = .automatic
        case "reference": self = .reference
        case "opencl", "opencl:": return nil
        case "opencl:gpu": self = .openCLGPU
        case "opencl:cpu": self = .openCLCPU
        default:
            guard text.lowercased().hasPrefix("opencl:") else { return nil }
            let rest = String(text.dropFirst(7))
            if rest.allSatisfy(\.isNumber) {
                guard let index = Int(rest) else { return nil }
                self = .openCL(index)
            } else {
                self = .openCLNamed(rest)
            }
        }
    }

    /// The text that `init(_:)` reads.
    public var description: String {
        switch self {
        case .automatic: "auto"
        case .reference: "reference"
        case .openCL(let index): "opencl:\(index)"
        case .openCLGPU: "opencl:gpu"
        case .openCLCPU: "opencl:cpu"
        case .openCLNamed(let name): "opencl:\(name)"
        }
    }

    /// The OpenCL device, `nil` for the reference.
    ///
    /// - Throws: `BackendError` with code `noDevice` that lists the devices there are.
    package func resolve() throws -> OpenCLDevice? {
        let discovery = Discovery.shared
        let devices = discovery.devices
        switch self {
        case .reference: return nil
        case .automatic:
            return devices.first { $0.info.kind != .cpu && !$0.info.isSoftwareGPU }
                ?? devices.first { $0.info.kind == .cpu }
        case .openCL(let index):
            if devices.indices.contains(index) { return devices[index] }
        case .openCLGPU:
            if let device = devices.first(where: { $0.info.kind == .gpu }) { return device }
        case .openCLCPU:
            if let device = devices.first(where: { $0.info.kind == .cpu }) { return device }
        case .openCLNamed(let name):
            if let device = devices.first(where: { $0.info.name.lowercased().contains(name.lowercased()) }) {
                return device
            }
        }
        let list = devices.enumerated().map { "opencl:\($0) \($1.info.name)" }.joined(separator: ", ")
        throw BackendError(
            .noDevice,
            "no device fits \"\(self)\"; found: \(list.isEmpty ? "none" : list)"
                + (discovery.problems.isEmpty ? "" : " (\(discovery.problems.joined(separator: "; ")))")
        )
    }
}
