import ApusBackends
import ApusDevice
import ApusOpenCL
import ArgumentParser

struct DevicesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "devices",
        abstract: "Lists the devices that can run a model."
    )

    @Option(help: ArgumentHelp("Write the result as JSON; - is standard output.", valueName: "file"))
    var json: String?

    private struct Entry: Encodable {
        var selection: String
        var name: String
        var vendor: String
        var kind: String
        var platform: String
        var driver: String
        var openCL: String
        var computeUnits: Int
        var globalMemoryBytes: Int
        var maximumAllocationBytes: Int
        var localMemoryBytes: Int
        var executionModel: String
        var vectorWidth: Int
        var instructionSets: [String]
        var extensions: [String]
        /// Kernels that certification refused.
        var refused: [Refusal]
        /// Problems for which tuning preferred another variant than the default.
        var tuned: Int
        /// `nil` if it could not be measured.
        var roof: DeviceRoof?
    }

    func run() throws {
        let discovery = Discovery.shared
        var problems = discovery.problems
        let entries = discovery.devices.map { device in
            let info = device.info
            var roof: DeviceRoof?
            do {
                roof = try device.measureRoof()
            } catch {
                problems.append("the roof of opencl:\(device.index) could not be measured: \(error)")
            }
            return Entry(
                selection: "opencl:\(device.index)",
                name: info.name,
                vendor: info.vendor,
                kind: info.isSoftwareGPU ? "software gpu" : info.kind.rawValue,
                platform: "\(info.platformName), \(info.platformVersion)",
                driver: info.driverVersion,
                openCL: info.openCLVersion,
                computeUnits: info.computeUnits,
                globalMemoryBytes: info.globalMemoryBytes,
                maximumAllocationBytes: info.maximumAllocationBytes,
                localMemoryBytes: info.localMemoryBytes,
                executionModel: info.executionModel.rawValue,
                vectorWidth: info.vectorWidth,
                instructionSets: info.instructionSets.map(\.rawValue).sorted(),
                extensions: info.extensions.sorted(),
                refused: ProgramCache.shared.refusals(on: info).filter { $0.digest == kernelDigest($0.variant) },
                tuned: ProgramCache.shared.validChoices(on: info).count,
                roof: roof
            )
        }
        if let json {
            try writeJSON(entries, to: json)
            if json == "-" { return }
        }
        for entry in entries {
            print("\(entry.selection)  \(entry.name) (\(entry.kind))")
            print("  platform           \(entry.platform)")
            print("  driver             \(entry.driver), \(entry.openCL)")
            print("  compute units      \(entry.computeUnits), \(entry.vectorWidth) lanes of float32")
            print(
                "  instruction sets   \(entry.instructionSets.isEmpty ? "-" : entry.instructionSets.joined(separator: " "))"
            )
            print(
                "  memory             \(entry.globalMemoryBytes >> 20) MiB, at most "
                    + "\(entry.maximumAllocationBytes >> 20) MiB in one buffer, "
                    + "\(entry.localMemoryBytes >> 10) KiB local"
            )
            print("  measured           \(entry.roof?.summary ?? "-")")
            if entry.tuned > 0 { print("  tuned              \(entry.tuned) choices of kernel variants") }
            for refusal in entry.refused {
                print("  refused            \(refusal.operatorType) \(refusal.variant): \(refusal.reason)")
            }
        }
        print("reference  pure Swift on the host")
        for problem in problems { print("note: \(problem)") }
    }
}
