#!/usr/bin/env bash
# Writes the pages and files that are made from the code anew; the tests compare them with what the code says now.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

write() { # write FILE PAGE: keep the old file unless the new one was written whole
    .venv/bin/python -m tcpmirror.settings.reference "$2" >"$1.new"
    mv "$1.new" "$1"
    echo "docs: $1"
}

write docs/configuration.md page
write configs/tcpmirror-v3.yaml v3
write configs/tcpmirror.yaml v4

.venv/bin/python -m bench.detection
echo "docs: docs/detection.md"
.venv/bin/python -m bench.page
echo "docs: docs/performance.md"
