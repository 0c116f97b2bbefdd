#!/usr/bin/env bash
# Formats Swift and OpenCL C in place; with --lint reports what is not formatted and fails.
set -euo pipefail
cd "$(dirname "$0")/.."

swift_files() {
    find Package.swift Sources Tests Plugins Kernels Benchmarks Examples -name '*.swift' \
        -not -path 'Sources/ApusONNXProto/*' -not -path '*/.build*' -print0
}
kernel_files() {
    find Kernels -name '*.cl' -print0
}

if [ "${1:-}" = "--lint" ]; then
    swift_files | xargs -0 swift format lint --strict --parallel
    kernel_files | xargs -0 --no-run-if-empty clang-format --dry-run -Werror
else
    swift_files | xargs -0 swift format --in-place --parallel
    kernel_files | xargs -0 --no-run-if-empty clang-format -i
fi
