# shellcheck shell=bash
# Sourced by setup.sh: which interpreter the virtual environment is made with.

# Print the path of the interpreter to use: $PYTHON if set, else python3, else the newest that the project is tested with.
find_python() {
    local candidate candidates=(python3 python3.13 python3.12 python3.11) seen=()
    if [[ -n ${PYTHON:-} ]]; then
        candidates=("$PYTHON")
    fi
    for candidate in "${candidates[@]}"; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
        seen+=("$candidate is $("$candidate" --version 2>/dev/null || echo not there)")
    done
    {
        printf 'setup: Python 3.11 or newer is needed:'
        printf ' %s;' "${seen[@]}"
        printf ' set PYTHON to the interpreter to use\n'
    } >&2
    return 1
}
