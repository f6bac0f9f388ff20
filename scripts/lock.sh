#!/usr/bin/env bash
# Writes scripts/requirements/{build,run,dev,release}.txt anew: every dependency that is asked for, with its version and
# the SHA-256 of its files, for all supported versions of Python and both architectures. Needs `uv`.
#
#   scripts/lock.sh             keeps the versions that are written there as far as setup.cfg allows them
#   scripts/lock.sh --upgrade   takes the newest ones
#   scripts/lock.sh --upgrade-package NAME
#
# pypcap is built from its own source (pypcap.txt has its hash), so it is not among them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

compile() { # compile NAME SOURCE [OPTION...]
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
        --no-emit-package pypcap --no-annotate --no-header "${options[@]}" "${@:2}" --output-file "scripts/requirements/$1.txt"
    echo "lock: scripts/requirements/$1.txt"
}

options=("$@")
mkdir -p scripts/requirements
python3 -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' |
    compile build -
compile run setup.cfg --extra cloud --extra sinks
compile dev setup.cfg --extra cloud --extra sinks --extra test --extra check --constraint scripts/requirements/run.txt
printf '%s\n' 'cyclonedx-bom>=7' 'pip-licenses>=5' 'pip-audit>=2.9' | compile release -
