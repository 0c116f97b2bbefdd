#!/usr/bin/env bash
# Runs the operator suite on an OpenCL runtime beside pocl (see vendors.sh), with the kernels of CPUs and of GPUs. Cases
# that do not pass stand in Tests/Vendors/VENDOR.txt with their reason, and what stands there must not pass. Cases that are
# not run, with the reason, stand there too. On rusticl, which compiles slowly, a case runs once, not twenty times.
# usage: check_vendors.sh APUS VENDOR [ARGUMENT OF apus certify]...
set -euo pipefail
cd "$(dirname "$0")/.."

apus=$1
vendor=$2
shift 2
flags=()
[ ! -e "Tests/Vendors/$vendor.txt" ] || flags+=(--manifest "Tests/Vendors/$vendor.txt")
[ "$vendor" != rusticl ] || flags+=(--repetitions 1)
exec Scripts/vendors.sh "$vendor" "$apus" certify --device opencl:cpu "${flags[@]}" "$@"
