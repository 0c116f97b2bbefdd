#!/usr/bin/env bash
# Measures Apus beside other engines; arguments go to Benchmarks/peers/bench_peers.py.
set -euo pipefail
cd "$(dirname "$0")/.."

Scripts/setup.sh --bench
swift build -c release --product apus
exec python3 Benchmarks/peers/bench_peers.py "$@"
