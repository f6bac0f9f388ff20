#!/usr/bin/env bash
# Installs the system packages that are missing; as another user than root says which they are, and exits 1.
#
#   scripts/system-packages.sh [--tests] [--check]      --check: only say, even as root
#
# Each is looked for by what it brings (a command, a file), so what was installed another way is taken as it is.
set -euo pipefail

readonly PYTHON=${PYTHON:-python3}
tests=no check_only=no missing=()
for argument in "$@"; do
    case $argument in
        --tests) tests=yes ;;
        --check) check_only=yes ;;
        *) echo "setup: unknown argument $argument (accepted: --tests, --check)" >&2; exit 2 ;;
    esac
done

need() { # need PACKAGE CHECK...: the package is missing when the check fails
    local package=$1
    shift
    "$@" || missing+=("$package")
}
has_command() { [[ -n $(PATH=$PATH:/usr/sbin:/sbin type -P "$1") ]]; }
has_file() { # has_file NAME...: one of them is there
    local file
    for file in "$@"; do
        [[ -e $file ]] && return
    done
    return 1
}
has_module() { "$PYTHON" -c "import $1" 2>/dev/null; }

# The headers and venv of Debian's interpreters are packages of their own, named after the interpreter.
python_package() {
    local version path
    version=$("$PYTHON" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
    path=$(type -P "$PYTHON")
    if [[ ${path##*/} == python3 ]]; then
        version=python3
    fi
    echo "$version-$1"
}

need gcc has_command cc
need libc6-dev has_file /usr/include/stdio.h
need libpcap-dev has_file /usr/include/pcap.h /usr/local/include/pcap.h
need "$(python_package dev)" has_file "$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h"
need "$(python_package venv)" has_module ensurepip
if [[ $tests == yes ]]; then
    need nginx has_command nginx
    need iproute2 has_command ip
    need iproute2 has_command tc
    need curl has_command curl
    need tcpdump has_command tcpdump
    need tshark has_command tshark
    need valgrind has_command valgrind
    need sqlmap has_command sqlmap
    need ethtool has_command ethtool
    need procps has_command ps
    need modsecurity-crs has_file /usr/share/modsecurity-crs/rules
    need libnginx-mod-http-modsecurity has_file /usr/lib/nginx/modules/ngx_http_modsecurity_module.so
    need postgresql has_file /usr/lib/postgresql/*/bin/initdb
    need systemd has_command systemd-analyze
    need prometheus has_command promtool
    need nats-server has_command nats-server
    need rsyslog has_command rsyslogd
    # Ubuntu's packages of Chromium only fetch a snap, which a container cannot run: there the browser tests want one installed.
    if ! grep -qs '^ID=ubuntu' /etc/os-release; then
        need chromium has_command chromium
    fi
fi
if [[ ${#missing[@]} == 0 ]]; then
    exit 0
fi
mapfile -t missing <<<"$(printf '%s\n' "${missing[@]}" | sort -u)"

if [[ $check_only == yes || $(id -u) != 0 ]] || ! has_command apt-get; then
    echo "setup: missing system packages: ${missing[*]}" >&2
    echo "setup: as root, run: apt-get update && apt-get install --yes --no-install-recommends ${missing[*]}" >&2
    exit 1
fi

# A package that brings a server starts it while being installed; this policy, which Debian defines for the purpose, says no.
# It is left alone where the machine has one already.
readonly POLICY=/usr/sbin/policy-rc.d
if [[ ! -e $POLICY ]]; then
    trap 'rm -f "$POLICY"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$POLICY"
    chmod 755 "$POLICY"
fi

echo "setup: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l
apt() { apt-get --quiet=2 -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" </dev/null; }
apt update || echo "setup: apt-get update failed; going on with the package lists that are there" >&2
log=$(mktemp)
if ! apt install --yes --no-install-recommends -o Dpkg::Options::=--force-confold "${missing[@]}" >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    echo "setup: apt-get could not install ${missing[*]} (all it said: $log)" >&2
    exit 1
fi
rm -f "$log"
# Nor are the servers of the test suite to come up at the next boot; the tests start what they need themselves.
for service in nginx postgresql prometheus nats-server rsyslog; do
    if [[ " ${missing[*]} " == *" $service "* ]] && has_command systemctl; then
        systemctl --quiet disable "$service.service" >/dev/null 2>&1 ||
            echo "setup: $service.service could not be disabled; it will start at the next boot" >&2
    fi
done
