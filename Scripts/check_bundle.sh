#!/usr/bin/env bash
# Unpacks the bundle into a bare Debian folder and runs its self-test there: without a driver, then with the library of
# a driver (pocl) that has no entry in /etc/OpenCL/vendors. Needs root for chroot; debootstrap is installed if missing.
# usage: check_bundle.sh [BUNDLE]
set -euo pipefail
cd "$(dirname "$0")/.."

bundle=${1:-$(echo dist/apus-*.tar.xz)}
root=.cache/bundle-root
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
command -v debootstrap >/dev/null || "${as_root[@]}" apt-get install --yes --quiet=2 --no-install-recommends debootstrap

if [ ! -e "$root/complete" ]; then
    "${as_root[@]}" rm -rf "$root"
    mkdir -p "$root"
    "${as_root[@]}" debootstrap --variant=minbase --include=libpocl2 bookworm "$root" >.cache/debootstrap.log
    "${as_root[@]}" touch "$root/complete"
fi
"${as_root[@]}" rm -rf "$root/apus" "$root/results" "$root/hidden"
"${as_root[@]}" mkdir "$root/apus" "$root/hidden"
"${as_root[@]}" tar --extract --file "$bundle" --directory "$root/apus" --strip-components 1

# selftest FOLDER [ARGUMENT]...: in the bare folder, with what a container has of /proc, /dev and /sys.
selftest() {
    "${as_root[@]}" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root unshare --mount bash -c '
        mount --types proc proc "$0/proc"
        mount --bind /dev "$0/dev"
        mount --rbind /sys "$0/sys"
        root=$0
        exec chroot "$root" /apus/selftest.sh "$@"' "$root" "$@"
}

if [ -n "$(find "$root/usr/bin" "$root/opt" -name 'swift*' 2>/dev/null)" ]; then
    echo "$root is not bare" >&2
    exit 1
fi
"${as_root[@]}" mv "$root"/usr/lib/*-linux-gnu/libpocl.so* "$root/hidden/"
status=0
selftest /results/none || status=$?
[ "$status" -eq 2 ] || { echo "without a driver the self-test must end with 2, not $status" >&2; exit 1; }
"${as_root[@]}" mv "$root"/hidden/libpocl.so* "$(echo "$root"/usr/lib/*-linux-gnu)/"
selftest --seconds 1 --networks "digits resnet18" --certify "--operator Conv --operator Softmax" /results/pocl
grep --quiet 'gets one in' "$root/results/pocl/summary.txt"
for file in devices.json certify-0.json bench-0-digits.json bench-0-resnet18.json; do
    [ -s "$root/results/pocl/$file" ] || { echo "the self-test left no $file" >&2; exit 1; }
done
echo "the bundle runs in a bare Debian folder"
