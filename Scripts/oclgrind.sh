#!/usr/bin/env bash
# Runs every case of the operator suite on Oclgrind's simulated device and fails if a case disagrees with the reference
# or Oclgrind reports an invalid access or a data race. Its exit status does not tell: an empty log does.
# Kernels are built without optimization, as Oclgrind 21.10 widens vectors of i1 wrongly. --uninitialized is of no use:
# it takes what the host wrote at an offset into a buffer for uninitialized.
# usage: oclgrind.sh APUS [ARGUMENT OF apus certify]...
set -euo pipefail

apus=$1
shift
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
APUS_CACHE=0 oclgrind --data-races --check-api --build-options -cl-opt-disable --max-errors 20 --log "$log" \
    "$apus" certify --device opencl:cpu --in-process --repetitions 1 "$@" || status=$?
if [ -s "$log" ]; then
    echo "Oclgrind found errors:" >&2
    head -n 200 "$log" >&2
    exit 1
fi
exit "$status"
