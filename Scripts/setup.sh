#!/usr/bin/env bash
# Installs the Debian packages that are missing and checks Swift.
# usage: setup.sh [--test] [--bench]     also what the tests or the peer benchmark need
set -euo pipefail

packages=(ocl-icd-opencl-dev opencl-headers pocl-opencl-icd libpng-dev libturbojpeg0-dev pkg-config)
for argument in "$@"; do
    case "$argument" in
        --test) packages+=(oclgrind clang-format python3 python3-venv) ;;
        --bench) packages+=(python3 python3-venv) ;;
        *)
            echo "setup.sh: unknown argument $argument" >&2
            exit 64
            ;;
    esac
done

need_swift="needs Swift 6.2 or newer (https://www.swift.org/install/linux/debian/12)"
if ! command -v swift >/dev/null; then
    echo "Apus $need_swift; there is no 'swift' on the PATH." >&2
    exit 1
fi
version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9][0-9]*\.[0-9][0-9]*\).*/\1/p' | head -n 1)
if [ -z "$version" ]; then
    echo "Apus $need_swift; 'swift --version' did not tell one." >&2
    exit 1
fi
if [ "${version%%.*}" -lt 6 ] || { [ "${version%%.*}" -eq 6 ] && [ "${version#*.}" -lt 2 ]; }; then
    echo "Apus $need_swift; found $version at $(command -v swift)." >&2
    exit 1
fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "Apus is set up with apt on Debian or Ubuntu; install by hand what matches: ${packages[*]}" >&2
    exit 1
fi
missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null || true)
    [ "$status" = "install ok installed" ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "These packages are missing and there is no sudo to install them: ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi
install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${missing[@]}")
echo "==> installing ${missing[*]}"
"${as_root[@]}" apt-get update --quiet=2
"${install[@]}" --quiet=2 </dev/null
