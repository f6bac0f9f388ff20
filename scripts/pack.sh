#!/usr/bin/env bash
# Packs a release: scripts/pack.sh DIRECTORY OUT makes OUT/NAME.tar.gz and OUT/NAME.sh of DIRECTORY, whose last part is NAME.
#
# DIRECTORY holds what is to be installed (see scripts/install.sh); install.sh and SHA256SUMS are added to it. The installer is
# install.sh with the archive behind its last line.
set -euo pipefail
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
directory=$(realpath "${1:?usage: scripts/pack.sh DIRECTORY OUT}")
out=$(realpath -m "${2:?usage: scripts/pack.sh DIRECTORY OUT}")
name=$(basename "$directory")

package=$directory/lib/tcpmirror
[[ -e $package || -L $package ]] || { echo "pack: $directory has nothing to install: no lib/tcpmirror" >&2; exit 1; }
install -m 755 "$here/install.sh" "$directory/install.sh"
rm -f "$directory/SHA256SUMS"
sums=$(cd "$directory" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum)
echo "$sums" >"$directory/SHA256SUMS"
mkdir -p "$out"
tar --create --sort=name --owner=0 --group=0 --numeric-owner --mode=go+rX,go-w --directory "$(dirname "$directory")" "$name" |
    gzip -n >"$out/$name.tar.gz"
cat "$here/install.sh" "$out/$name.tar.gz" >"$out/$name.sh"
chmod 755 "$out/$name.sh"
