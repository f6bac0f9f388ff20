#!/usr/bin/env bash
# Makes everything that `tcpmirror` needs, and only what is missing: system packages, .venv, dependencies, compiled modules.
#
#   scripts/setup.sh            to run the sensor, the cloud and the console
#   scripts/setup.sh --dev      the same, and the tools of `make check`
#   scripts/setup.sh --tests    the same, and the servers, browser and network tools of `make test`
#   scripts/setup.sh --check    says which system packages are missing (with or without --tests) and changes nothing
#
# PYTHON names another interpreter than python3. The last line on success is the time it took; exit 1 says what is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly VENV=$PWD/.venv
level=run check_only=no packages=()

for argument in "$@"; do
    case $argument in
        --dev) level=dev ;;
        --tests) level=dev packages=(--tests) ;;
        --check) check_only=yes ;;
        *) echo "setup: unknown argument $argument (accepted: --dev, --tests, --check)" >&2; exit 2 ;;
    esac
done

# shellcheck source=scripts/python.sh
source scripts/python.sh
PYTHON=$(find_python)
export PYTHON
if [[ $check_only == yes ]]; then
    exec scripts/system-packages.sh --check "${packages[@]}"
fi
scripts/system-packages.sh "${packages[@]}"

# Two set-ups in one tree wait for each other.
mkdir -p build
exec 9>build/.setup.lock
flock 9

# A .venv is used again if it is whole, of the same version of Python, and has not been moved (its scripts name its path).
venv_is_usable() {
    local probe='import sys, pip; print(*sys.version_info[:2])'
    grep -qsF "$VENV/bin/python" "$VENV/bin/pip" &&
        [[ $("$VENV/bin/python" -c "$probe" 2>/dev/null) == $("$PYTHON" -c 'import sys; print(*sys.version_info[:2])') ]]
}

make_venv() {
    if venv_is_usable; then
        return
    fi
    echo "setup: making .venv with $("$PYTHON" --version)"
    rm -rf "$VENV"
    "$PYTHON" -m venv "$VENV"
}

# What decides which packages are installed; their sources are compiled in place and need no new installation.
dependencies_hash() {
    cat setup.cfg setup.py pyproject.toml scripts/pypcap* scripts/setup.sh scripts/requirements/*.txt | sha256sum | cut -d ' ' -f 1
}

pip_install() {
    if ! "$VENV/bin/python" -m pip install --quiet --quiet --disable-pip-version-check "$@"; then
        echo "setup: pip could not install $*; what it said is above (it needs a package index, PyPI or PIP_INDEX_URL)" >&2
        exit 1
    fi
}

install_pypcap() {
    local hash
    hash=$(cat scripts/pypcap* | sha256sum)
    if [[ $(cat "$VENV/.pypcap" 2>/dev/null) != "$hash" ]]; then
        scripts/pypcap.sh "$VENV/bin/python"
        echo "$hash" >"$VENV/.pypcap"
    fi
}

install_dependencies() {
    local hash stamp
    hash=$(dependencies_hash)
    for stamp in "$VENV/.installed-$level" "$VENV/.installed-dev"; do
        if [[ -f $stamp && $(<"$stamp") == "$hash" ]]; then
            return
        fi
    done
    echo "setup: installing scripts/requirements/$level.txt into .venv"
    rm -f "$VENV"/.installed-*
    pip_install --require-hashes --requirement scripts/requirements/build.txt
    install_pypcap
    pip_install --require-hashes --requirement "scripts/requirements/$level.txt"
    "$VENV/bin/python" scripts/compile.py
    pip_install --no-build-isolation --no-deps --editable .
    echo "$hash" >"$VENV/.installed-$level"
}

make_venv
install_dependencies
"$VENV/bin/python" scripts/compile.py
"$VENV/bin/tcpmirror" rules compile
echo "setup: ready in ${SECONDS}s (.venv/bin/tcpmirror)"
