#!/usr/bin/env bash
# What takes longer than `make test`.
# FUZZ_SECONDS (default 600) bounds the fuzzing of the importer.
set -euo pipefail
cd "$(dirname "$0")/.."

step() {
    printf '==> [%4d s] %s\n' "$SECONDS" "$1"
}

Scripts/test.sh
compare() {
    echo "$*"
    .build-test/release/apus compare "$@" | tail -n 1
}
step "every layer of every network against the reference"
for network in digits resnet18 resnet50 mobilenet_v2 efficientnet_b0 vgg16 vit_b_16; do
    compare "Models/$network/$network.onnx"
done
compare Models/minilm/minilm.onnx --shape input_ids=2x16 --shape attention_mask=2x16 --shape token_type_ids=2x16
# The weights of a light model are all equal: the rounding errors of a long float32 sum do not cancel.
for model in Models/light/*.onnx; do
    compare "$model" --tolerance 1e-4
done
step "the operator suite on Mesa's rusticl"
Scripts/check_vendors.sh .build-test/release/apus rusticl | grep '^device\|^not run'
step "traces in Perfetto's trace processor"
Scripts/check_traces.sh .build-test/release/apus
step "the example server"
Scripts/check_examples.sh
step "the bundle in a bare Debian folder"
Scripts/bundle.sh | tail -n 1
Scripts/check_bundle.sh
step "comparison with ONNX Runtime"
Scripts/bench.sh --check
step "thread sanitizer"
swift test --scratch-path .build-thread --sanitize thread --filter ApusTests
step "fuzzing the importer for ${FUZZ_SECONDS:=600} seconds"
export FUZZ_SECONDS
Scripts/fuzz.sh
step "passed"
