#!/usr/bin/env bash
# What takes longer than `make test`.
# FUZZ_SECONDS (default 600) bounds the fuzzing of the importer.
set -euo pipefail
cd "$(dirname "$0")/.."

step() {
    printf '==> [%4d s] %s\n' "$SECONDS" "$1"
}

Scripts/test.sh
step "comparison with ONNX Runtime"
Scripts/bench.sh --check
step "thread sanitizer"
swift test --scratch-path .build-thread --sanitize thread --filter ApusTests
step "fuzzing the importer for ${FUZZ_SECONDS:=600} seconds"
export FUZZ_SECONDS
Scripts/fuzz.sh
step "passed"
