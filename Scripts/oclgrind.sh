#!/usr/bin/env bash
# Runs tests on Oclgrind's simulated device and fails if it reports an invalid access, a data race or the use of an
# uninitialized value. Its exit status does not tell: an empty log does. Oclgrind is not thread-safe, so tests run singly.
# usage: oclgrind.sh TEST-BUNDLE FILTER...
set -euo pipefail

bundle=$1
shift
filters=()
for filter in "$@"; do
    filters+=(--filter "$filter")
done
log=$(mktemp)
trap 'rm -f "$log"' EXIT
APUS_CACHE=0 oclgrind --data-races --uninitialized --max-errors 20 --log "$log" \
    "$bundle" --testing-library swift-testing --no-parallel "${filters[@]}"
if [ -s "$log" ]; then
    echo "Oclgrind found errors:" >&2
    head -n 200 "$log" >&2
    exit 1
fi
