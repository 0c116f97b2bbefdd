import ApusTensor
import Foundation

/// Prints rows in columns, numbers to the right.
func printTable(_ header: [String], _ rows: [[String]]) {
    let all = [header] + rows
    let widths = header.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
    for row in all {
        let cells = zip(row, widths).enumerated().map { index, cell in
            let padding = String(repeating: " ", count: cell.1 - cell.0.count)
            let isNumber = rows.allSatisfy { row in
                row[index].isEmpty || row[index] == "-" || row[index].first?.isNumber == true
                    || row[index].hasPrefix("-")
            }
            return isNumber ? padding + cell.0 : cell.0 + padding
        }
        print(cells.joined(separator: "  ").replacingOccurrences(of: " +$", with: "", options: .regularExpression))
    }
}

/// A number with three or more significant digits.
func formatted(_ value: Double, digits: Int = 3) -> String {
    String(format: "%.\(digits)f", value)
}

/// A duration in milliseconds.
func milliseconds(_ duration: Duration) -> Double {
    Double(duration.components.seconds) * 1e3 + Double(duration.components.attoseconds) / 1e15
}

/// Writes a value as JSON to a file, or to standard output for `-`.
///
/// - Throws: `ModelError` that names the file.
func writeJSON(_ value: some Encodable, to path: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
        positiveInfinity: "Infinity",
        negativeInfinity: "-Infinity",
        nan: "NaN"
    )
    let data = try encoder.encode(value) + Data("\n".utf8)
    if path == "-" {
        FileHandle.standardOutput.write(data)
        return
    }
    try writeFile([UInt8](data), to: path)
}

/// Writes a file in whole or not at all.
///
/// - Throws: `ModelError` that names the file.
func writeFile(_ bytes: [UInt8], to path: String) throws {
    do {
        try Data(bytes).write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
        throw ModelError(.invalidFile, "the file cannot be written", file: path)
    }
}

/// The most memory that the process has held, in bytes.
func peakResidentBytes() -> Int {
    guard let text = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
        let line = text.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
        let kilobytes = Int(line.split(whereSeparator: \.isWhitespace).dropFirst().first ?? "")
    else { return 0 }
    return kilobytes * 1024
}

/// Says on standard error what takes long, when a person watches.
func progress(_ text: String) {
    guard isatty(STDERR_FILENO) != 0 else { return }
    FileHandle.standardError.write(Data("apus: \(text)\n".utf8))
}
