import ApusDevice
import COpenCL
import Synchronization

/// The devices of all platforms, found once a process.
package struct Discovery: Sendable {
    /// GPUs first, then accelerators, then CPUs; then by platform name, then in the driver's order.
    package let devices: [OpenCLDevice]
    /// Why devices are missing, a line each; empty if nothing failed.
    package let problems: [String]

    /// What was found first; as long as there is no device, it is looked for again.
    package static var shared: Discovery {
        found.withLock { found in
            if let found, !found.devices.isEmpty { return found }
            let discovery = Discovery()
            found = discovery
            return discovery
        }
    }

    /// Initialising drivers from two threads at once fails in some of them, hence the lock.
    private static let found = Mutex<Discovery?>(nil)

    private init() {
        var problems: [String] = []
        var found: [(platform: OpaquePointer, device: OpaquePointer)] = []
        do throws(CLError) {
            for platform in try Discovery.platforms() {
                do throws(CLError) {
                    for device in try Discovery.devices(of: platform) { found.append((platform, device)) }
                } catch {
                    let name = string(platform, clGetPlatformInfo, CL_PLATFORM_NAME)
                    problems.append("platform \(name): \(error)")
                }
            }
            if found.isEmpty && problems.isEmpty { problems.append("no OpenCL platform has a device") }
        } catch {
            problems.append("no OpenCL platform: \(error); install a driver with its entry in /etc/OpenCL/vendors")
        }
        let described = found.map { (DeviceInfo(device: $0.device, platform: $0.platform), $0.device) }
        let order = described.indices.sorted {
            let (a, b) = (described[$0].0, described[$1].0)
            return (a.kind.rank, a.platformName, $0) < (b.kind.rank, b.platformName, $1)
        }
        devices = order.enumerated().map { index, position in
            OpenCLDevice(described[position].0, index: index, identifier: described[position].1)
        }
        self.problems = problems
    }

    private static func platforms() throws(CLError) -> [OpaquePointer] {
        var count: cl_uint = 0
        var status = clGetPlatformIDs(0, nil, &count)
        guard status == CL_SUCCESS else { throw CLError(status, "clGetPlatformIDs") }
        guard count > 0 else { throw CLError(-1001, "clGetPlatformIDs") }
        var platforms = [cl_platform_id?](repeating: nil, count: Int(count))
        status = clGetPlatformIDs(count, &platforms, nil)
        guard status == CL_SUCCESS else { throw CLError(status, "clGetPlatformIDs") }
        return platforms.compactMap { $0 }
    }

    private static func devices(of platform: OpaquePointer) throws(CLError) -> [OpaquePointer] {
        let all: cl_device_type = 0xFFFF_FFFF
        var count: cl_uint = 0
        var status = clGetDeviceIDs(platform, all, 0, nil, &count)
        if status == CL_DEVICE_NOT_FOUND || (status == CL_SUCCESS && count == 0) { return [] }
        guard status == CL_SUCCESS else { throw CLError(status, "clGetDeviceIDs") }
        var devices = [cl_device_id?](repeating: nil, count: Int(count))
        status = clGetDeviceIDs(platform, all, count, &devices, nil)
        guard status == CL_SUCCESS else { throw CLError(status, "clGetDeviceIDs") }
        return devices.compactMap { $0 }.filter {
            value($0, clGetDeviceInfo, CL_DEVICE_AVAILABLE, cl_bool(1)) != 0
                && value($0, clGetDeviceInfo, CL_DEVICE_COMPILER_AVAILABLE, cl_bool(1)) != 0
        }
    }
}

extension DeviceKind {
    fileprivate var rank: Int {
        switch self {
        case .gpu: 0
        case .accelerator: 1
        case .cpu: 2
        case .reference: 3
        }
    }
}
