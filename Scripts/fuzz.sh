#!/usr/bin/env bash
# Fuzzes the importer with libFuzzer for FUZZ_SECONDS (default 3600).
# Seeds: the sample models of the tests, and every .onnx file up to 32 KiB in Models/ and in the directories given.
# usage: fuzz.sh [SEED_DIRECTORY]...
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=$PWD/.build-fuzz
corpus=$scratch/corpus
mkdir -p "$corpus" "$scratch/findings"
export SWIFT_BACKTRACE=enable=no

find Models "$@" -name '*.onnx' -size -33k -print0 | while IFS= read -r -d '' model; do
    cp "$model" "$corpus/$(cksum <"$model" | tr ' ' '-')"
done
APUS_FUZZ_CORPUS=$corpus swift test -c release --scratch-path .build-test --filter ApusONNXTests.FuzzCorpus

APUS_FUZZ=1 swift build -c release --sanitize=fuzzer --scratch-path "$scratch" --product FuzzImporter
exec nice -n 19 "$scratch/release/FuzzImporter" "$corpus" -artifact_prefix="$scratch/findings/" \
    -max_total_time="${FUZZ_SECONDS:-3600}" -rss_limit_mb=2048 -timeout=5 -print_final_stats=1
