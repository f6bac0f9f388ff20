#!/usr/bin/env bash
# Makes what is handed to operators, in dist/, for the architecture and the version of Python of this machine: `make release`.
#
#   tcpmirror-VERSION-ARCH-cpXY.sh             the installer, one file with everything in it
#   tcpmirror-VERSION-ARCH-cpXY.tar.gz         the same unpacked: tcpmirror with all its dependencies, install.sh, documentation
#   tcpmirror-VERSION-ARCH-cpXY.cdx.json       what is in it (CycloneDX)
#   tcpmirror-VERSION-ARCH-cpXY.licences.md    and under which licences
#   SHA256SUMS                                 of these four
#
# Dependencies come from scripts/requirements/run.txt and nowhere else. scripts/release.sh --audit asks pip-audit about them.
set -euo pipefail
unset PYTHONPATH  # pip would take a tree that stands there for installed, and leave tcpmirror out
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly PYTHON=$PWD/.venv/bin/python WORK=$PWD/build/release DIST=$PWD/dist
VERSION=$("$PYTHON" -c 'import tcpmirror; print(tcpmirror.__version__)')
ABI=$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
NAME=tcpmirror-$VERSION-$(uname -m)-cp${ABI/./}
readonly VERSION ABI NAME SITE=$WORK/site TOOLS=$WORK/tools PAYLOAD=$WORK/$NAME

pip_install() { # pip_install VENV ARGUMENT...
    "$PYTHON" -m pip --disable-pip-version-check --python "$1/bin/python" install --quiet --quiet "${@:2}"
}

make_tools() {
    "$PYTHON" -m venv --clear --without-pip "$TOOLS"
    pip_install "$TOOLS" --require-hashes --requirement scripts/requirements/release.txt
}

make_site() {
    rm -rf "$WORK/wheels"
    "$PYTHON" -m venv --clear --without-pip "$SITE"
    pip_install "$SITE" --require-hashes --requirement scripts/requirements/run.txt
    scripts/pypcap.sh --wheel "$WORK/wheels" "$PYTHON"
    "$PYTHON" -m pip --disable-pip-version-check wheel --quiet --no-deps --no-build-isolation --wheel-dir "$WORK/wheels" .
    pip_install "$SITE" --no-deps --no-index "$WORK"/wheels/*.whl
    (cd / && "$SITE/bin/tcpmirror" --version >/dev/null)
    "$SITE/bin/python" -m compileall -q "$SITE/lib/python$ABI/site-packages"
}

describe() { # what is in it, from what was installed
    printf '[project]\nname = "tcpmirror"\nversion = "%s"\nlicense = "Apache-2.0"\n' "$VERSION" >"$WORK/pyproject.toml"
    "$TOOLS/bin/cyclonedx-py" environment --pyproject "$WORK/pyproject.toml" --output-reproducible --output-format JSON \
        --output-file "$DIST/$NAME.cdx.json" "$SITE/bin/python" 2>"$WORK/log" || { cat "$WORK/log" >&2; exit 1; }
    "$TOOLS/bin/pip-licenses" --python="$SITE/bin/python" --format=markdown --with-urls --output-file="$DIST/$NAME.licences.md" >/dev/null
}

make_payload() {
    rm -rf "$PAYLOAD"
    mkdir -p "$PAYLOAD"
    cp -a "$SITE/lib/python$ABI/site-packages" "$PAYLOAD/lib"
    cp -a configs docs LICENSE README.md CHANGELOG.md "$PAYLOAD"
    cp "$DIST/$NAME.cdx.json" "$PAYLOAD/sbom.cdx.json"
    cp "$DIST/$NAME.licences.md" "$PAYLOAD/licences.md"
    printf 'version=%s\narchitecture=%s\npython=%s\n' "$VERSION" "$(uname -m)" "$ABI" >"$PAYLOAD/release"
}

if [[ ${1:-} == --audit ]]; then
    make_tools
    exec "$TOOLS/bin/pip-audit" --strict --disable-pip --require-hashes --requirement scripts/requirements/run.txt
fi
mkdir -p "$WORK" "$DIST"
make_tools
make_site
describe
make_payload
scripts/pack.sh "$PAYLOAD" "$DIST"
(cd "$DIST" && sha256sum "$NAME".* >SHA256SUMS)
echo "release: dist/$NAME.sh ($(du -h "$DIST/$NAME.sh" | cut -f 1))"
