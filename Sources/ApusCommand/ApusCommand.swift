import Apus
import ApusDevice
import ApusTensor
import ArgumentParser
import Foundation

/// The command line `apus`.
@main
struct ApusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apus",
        abstract: "Runs trained networks (ONNX) on OpenCL devices and proves that the answers are right.",
        discussion: """
            Exit status: 0 done, 1 the model or an input is wrong, 2 a comparison failed, 3 the device failed, \
            64 the command line is wrong.
            """,
        version: "0.1.0",
        subcommands: [
            DevicesCommand.self, InspectCommand.self, CheckCommand.self, RunCommand.self, BenchCommand.self,
            CompareCommand.self, CertifyCommand.self, TuneCommand.self,
        ]
    )

    static func main() {
        // Pinning pocl's threads has to be asked for before the first OpenCL call; the user's own choice stands.
        setenv("POCL_AFFINITY", "1", 0)
        do {
            var command = try parseAsRoot()
            try command.run()

        } catch let error as ModelError {
            fail(error.description, 1)
        } catch let error as BackendError {
            fail(error.description, 3)
        } catch let error as ComparisonFailure {
            fail(error.message, 2)
        } catch {
            exit(withError: error)
        }
    }

    private static func fail(_ message: String, _ status: Int32) -> Never {
        FileHandle.standardError.write(Data("apus: \(message)\n".utf8))
        Foundation.exit(status)
    }
}

/// Answers differ from what they should be.
struct ComparisonFailure: Error {
    var message: String
}
