#!/usr/bin/env bash
# Writes the pages and files that are made from the code anew (the tests compare them with what the code says now), and the site.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

write() { # write FILE MODULE [ARGUMENT]: keep the old file unless the new one was written whole
    .venv/bin/python -m "${@:2}" >"$1.new"
    mv "$1.new" "$1"
    echo "docs: $1"
}

write docs/configuration.md tcpmirror.settings.reference page
write configs/tcpmirror-v3.yaml tcpmirror.settings.reference v3
write configs/tcpmirror.yaml tcpmirror.settings.reference v4
write docs/metrics.md tcpmirror.export.metrics_page
write docs/mirror.md tcpmirror.console.mirror_guides

.venv/bin/python -m bench.detection
echo "docs: docs/detection.md"
.venv/bin/python -m bench.page
echo "docs: docs/performance.md"
.venv/bin/mkdocs build --quiet --strict --site-dir build/site
echo "docs: build/site"
