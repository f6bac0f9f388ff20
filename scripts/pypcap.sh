#!/usr/bin/env bash
# Builds pypcap from its own pcap.pyx with the Cython of the given interpreter's environment, and installs it there.
#
#   scripts/pypcap.sh [--wheel DIRECTORY] .venv/bin/python
#
# --wheel: leave the wheel in DIRECTORY and install nothing. Needs libpcap's headers, a C compiler, setuptools and cython.
# The same on every version of Python, so that all run the same code: as published, the package compiles on 3.11 only.
set -euo pipefail
wheels=
if [[ ${1:-} == --wheel ]]; then
    wheels=$(realpath -m "$2")
    shift 2
fi
python=${1:?usage: scripts/pypcap.sh [--wheel DIRECTORY] PYTHON}
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

run() { # run COMMAND...: quiet, unless it fails
    if ! "$@" >"$work/log" 2>&1; then
        tail -n 40 "$work/log" >&2
        echo "pypcap: failed: $*" >&2
        exit 1
    fi
}

pip=("$python" -m pip --disable-pip-version-check)
run "${pip[@]}" download --no-deps --no-binary pypcap --no-build-isolation --require-hashes \
    --requirement "$here/pypcap.txt" --dest "$work"
tar -xzf "$work"/pypcap-*.tar.gz -C "$work" --no-same-owner
unpacked=$(echo "$work"/pypcap-*/)
rm "$unpacked/pcap.c" "$unpacked/setup.cfg" # setup.cfg: its spelling of one key is about to be refused by setuptools
"$python" "$here/pypcap_source.py" "$unpacked/pcap.pyx"
run "$python" -m cython "$unpacked/pcap.pyx" --output-file "$unpacked/pcap.c"
run "${pip[@]}" wheel --no-deps --no-build-isolation --no-cache-dir --wheel-dir "${wheels:-$work}" "$unpacked"
if [[ -z $wheels ]]; then
    run "${pip[@]}" install --no-deps --no-index --force-reinstall "$work"/pypcap-*.whl
fi
