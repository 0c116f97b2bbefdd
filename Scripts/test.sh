#!/usr/bin/env bash
# Everything that must hold before a change goes in. Tests build testable modules, so they have a build folder of their own.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=.build-test
step() {
    printf '==> [%4d s] %s\n' "$SECONDS" "$1"
}

step "packages"
Scripts/setup.sh --test
step "format"
Scripts/format.sh --lint
step "documentation"
Scripts/documentation.sh
step "build and tests"
swift test -c release --scratch-path "$scratch" --explicit-target-dependency-import-check error
step "kernels under Oclgrind"
Scripts/oclgrind.sh "$scratch/release/apus" | tail -n 1
step "the operator suite on Intel's OpenCL runtime"
Scripts/check_vendors.sh "$scratch/release/apus" intel | tail -n 1
step "one network over two OpenCL platforms"
Scripts/check_platforms.sh "$scratch/release/apus" | tail -n 1
step "the ONNX backend suite"
Scripts/check_conformance.sh "$scratch/release/apus"
step "the command on the demo network's pictures"
Scripts/check_models.sh "$scratch/release/apus"
step "passed"
