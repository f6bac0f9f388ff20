#!/usr/bin/env bash
# Runs the sensor in front, with its console: scripts/run.sh [CONFIG], for `make run`.
#
# Without CONFIG it is configs/quickstart.yaml, with all state kept in var/ of the checkout, so that nothing is left
# elsewhere and `rm -r var` begins anew.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

config=${1:-}
if [[ -z $config ]]; then
    config=var/quickstart.yaml
    mkdir -p -m 700 var
    {
        cat configs/quickstart.yaml
        printf '\nsupervisor:\n  state_dir: "%s/var/lib"\n  run_dir: "%s/var/run"\n' "$PWD" "$PWD"
    } >"$config"
    if [[ -e var/lib/embedded.json ]]; then
        echo "run: the console's password was printed at the first start; to begin anew: rm -r var"
    fi
fi
exec .venv/bin/tcpmirror-supervisor run -c "$config"
