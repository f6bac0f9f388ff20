#!/usr/bin/env bash
# Installs, upgrades and removes tcpmirror on one machine. See `--help`, and docs/installation.md for what it does and why.
#
# What it installs stands behind the last line of this file (a release's installer) or beside it (an unpacked release).
# It writes below /opt/tcpmirror, and elsewhere only what ELSEWHERE names, a user and a group.
set -euo pipefail

readonly PREFIX=/opt/tcpmirror USER_NAME=tcpmirror
readonly CONFIG=$PREFIX/etc/node.yaml ENVIRONMENT=$PREFIX/etc/env.list STATE=$PREFIX/var/lib
readonly UNIT=/etc/systemd/system/tcpmirror.service SYSCTL=/etc/sysctl.d/60-tcpmirror.conf LOGROTATE=/etc/logrotate.d/tcpmirror
readonly COMMANDS=(tcpmirror tcpmirror-supervisor tcpmirror-cloud)
readonly ELSEWHERE=("$UNIT" "$SYSCTL" "$LOGROTATE" "${COMMANDS[@]/#//usr/local/bin/}")
SELF=$(realpath "$0")
readonly SELF
batch=no token='' mode='' given='' host='' preserve=true health_s=10 start=yes action=install  # what the command line says
work='' release=''                                                                              # where the new release is unpacked
undo=''  # what an end before the last step has to take back: '', 'upgrade'

say() { echo "tcpmirror: $*"; }
warn() { echo "tcpmirror: warning: $*" >&2; }
fail() { echo "tcpmirror: $*" >&2; exit "${code:-1}"; }

usage() {
    cat <<'HELP'
usage: tcpmirror-VERSION.sh [--] [OPTION...]              install, or upgrade what is installed
       tcpmirror-VERSION.sh uninstall [--batch]           remove everything, findings and settings too

Without any option it asks. Options:
  -b, --batch                 ask nothing
  -t, --token TOKEN           token of the cloud that findings go to (role Deploy); without one the cloud runs on this machine
  -H, --host HOST             that cloud: a host name, HOST:PORT or a URL
      --mode MODE             tcp-capture or tcp-capture-v2: which of them the configuration has to be for
      --go-node-config PATH   configuration, copied to /opt/tcpmirror/etc/node.yaml (that of a native node is read as it is)
      --preserve true|false   upgrade: keep node.yaml and env.list (default: true)
      --health-seconds N      how long a new version has to run well before it is kept (default: 10)
      --install-only          start nothing, as for an image
  -h, --help                  this text
Variables, kept in /opt/tcpmirror/etc/env.list: TCPMIRROR_LABELS or WALLARM_LABELS (group=NAME), TCPMIRROR_APID_ONLY or
WALLARM_APID_ONLY, https_proxy, http_proxy, no_proxy.
Exit codes: 0 done; 1 something is missing or failed (after a failed upgrade the version before runs again); 2 usage; 3 settings.
HELP
}

parse() {
    local option value
    while (($#)); do
        option=$1 value=
        shift
        case $option in
            --) continue ;;
            -b | --batch) batch=yes; continue ;;
            --install-only) start=no; continue ;;
            -h | --help) usage; exit 0 ;;
            uninstall | install | upgrade) action=$option; continue ;;
            --*=*) value=${option#*=} option=${option%%=*} ;;
            -t | --token | -H | --host | --mode | --go-node-config | --preserve | --health-seconds)
                (($#)) || code=2 fail "$option needs a value"
                value=$1
                shift
                ;;
        esac
        case $option in
            -t | --token) token=$value ;;
            -H | --host) host=$value ;;
            --mode) mode=$value ;;
            --go-node-config) given=$value ;;
            --preserve) preserve=$value ;;
            --health-seconds) health_s=$value ;;
            *) code=2 fail "unknown option $option (see --help)" ;;
        esac
    done
    [[ $preserve == true || $preserve == false ]] || code=2 fail "--preserve $preserve: accepted are true and false"
    [[ $mode =~ ^(tcp-capture(-v2)?)?$ ]] || code=2 fail "--mode $mode: accepted are tcp-capture and tcp-capture-v2"
    [[ $health_s =~ ^[0-9]{1,4}$ ]] || code=2 fail "--health-seconds $health_s: accepted is a number of seconds"
    [[ -z $token || -n $host ]] || code=2 fail "--token needs --host, the cloud that it is for"
    [[ $token$host =~ ^[[:graph:]]*$ ]] || code=2 fail "--token, --host: no spaces or control characters"
    [[ -z $given || -f $given ]] || code=3 fail "--go-node-config $given: no such file"
}

# --- what is to be installed ---------------------------------------------------------------------------------------------

unpack() { # into $release, checked file by file
    local line
    work=$(mktemp -d "${TMPDIR:-/tmp}/tcpmirror-install.XXXXXX")
    line=$(grep --text --line-number --max-count=1 '^#__ARCHIVE__$' "$SELF")
    line=${line%%:*}
    if (($(stat --format=%s "$SELF") > $(head --lines="$line" "$SELF" | wc --bytes))); then
        tail --lines="+$((line + 1))" "$SELF" | tar --extract --gzip --no-same-owner --directory "$work" ||
            fail "the installer is damaged: its archive cannot be read (was it cut while being copied?)"
        release=$(echo "$work"/*)
    elif [[ -f $(dirname "$SELF")/release ]]; then
        release=$(dirname "$SELF")
    else
        fail "this is the installer without what it installs: take that of a release (make release writes dist/*.sh)"
    fi
    (cd "$release" && sha256sum --check --quiet --strict SHA256SUMS) || fail "the release is damaged: see the files above"
}

fact() { sed --quiet "s/^$1=//p" "$release/release"; }

identity() { echo "$(fact version)-$(sha256sum "$release/SHA256SUMS" | cut --characters=1-12)"; }

installed() { [[ -L $PREFIX/current ]] && basename "$(readlink "$PREFIX/current")"; }

# --- what it needs -------------------------------------------------------------------------------------------------------

python_of_release() { # one that the sensor's user can run as well
    local candidate
    for candidate in "python$(fact python)" /usr/bin/python3 /usr/local/bin/python3 python3; do
        if [[ $(setpriv --reuid=65534 --regid=65534 --clear-groups "$candidate" -c 'import sys; print(sys.implementation.name, "%d.%d" % sys.version_info[:2])' 2>/dev/null) == \
            "cpython $(fact python)" ]]; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

check_prerequisites() {
    local missing=() packages=() command python needed_kib free_kib
    [[ $(uname -s) == Linux ]] || fail "Linux is needed, this is $(uname -s)"
    [[ $(uname -m) == "$(fact architecture)" ]] ||
        fail "this release is for $(fact architecture), the machine is $(uname -m): take the release for it"
    for command in setpriv:util-linux flock:util-linux useradd:passwd userdel:passwd; do
        type -P "${command%%:*}" >/dev/null || { missing+=("the command ${command%%:*}"); packages+=("${command##*:}"); }
    done
    if python=$(python_of_release); then
        "$python" -c 'import venv' 2>/dev/null || { missing+=("the module venv of Python"); packages+=("python$(fact python)-venv"); }
        has_library "$python" libpcap.so.0.8 libpcap.so.1 || { missing+=("libpcap"); packages+=(libpcap0.8); }
        has_library "$python" libseccomp.so.2 || { missing+=("libseccomp"); packages+=(libseccomp2); }
    else
        missing+=("CPython $(fact python), for which this release was built")
        packages+=("python$(fact python)")
    fi
    if ((${#missing[@]})); then
        printf 'tcpmirror: missing: %s\n' "${missing[@]}" >&2
        fail "on Debian and Ubuntu: apt-get install --no-install-recommends $(printf '%s\n' "${packages[@]}" | sort -u | xargs)"
    fi
    needed_kib=$(($(du -skL "$release/lib" | cut -f 1) + $(du -sk "$STATE" 2>/dev/null | cut -f 1 || echo 0) + 65536))
    free_kib=$(df --output=avail -k "$(dirname "$PREFIX")" | tail -n 1)
    ((free_kib > needed_kib)) || fail "$((needed_kib >> 10)) MiB are needed in $(dirname "$PREFIX"), $((free_kib >> 10)) MiB are free"
}

has_library() { # has_library PYTHON NAME...: one of them can be loaded
    local name
    for name in "${@:2}"; do
        "$1" -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1])' "$name" 2>/dev/null && return
    done
    return 1
}

# --- asking --------------------------------------------------------------------------------------------------------------

ask() { # ask QUESTION DEFAULT: the answer in $answer
    read -r -p "$1 [$2]: " answer || fail "no answer (use --batch to be asked nothing)"
    answer=${answer:-$2}
}

packets() { cat "/sys/class/net/$1/statistics/rx_packets" 2>/dev/null || echo 0; }

show_interfaces() { # each with the packets that arrive in two seconds
    local path name
    declare -A before
    for path in /sys/class/net/*; do before[${path##*/}]=$(packets "${path##*/}"); done
    sleep 2
    for name in "${!before[@]}"; do
        printf '  %-16s %8d packets in 2 s  %s\n' "$name" $(($(packets "$name") - before[$name])) \
            "$(cat "/sys/class/net/$name/operstate" 2>/dev/null)"
    done | sort
}

ask_questions() {
    local answer interface encapsulation='' vnis=''
    ask "Mode: tcp-capture (as a native node of versions 2 and 3) or tcp-capture-v2" tcp-capture-v2
    mode=$answer
    [[ $mode == tcp-capture || $mode == tcp-capture-v2 ]] || code=2 fail "mode $mode: accepted are tcp-capture and tcp-capture-v2"
    echo "Interfaces:"
    show_interfaces
    ask "Interface the mirror arrives at, or any" any
    interface=$answer
    [[ $interface == any || -d /sys/class/net/$interface ]] || code=2 fail "interface $interface: there is none of that name"
    ask "Encapsulation: none (plain and VLAN frames too), vxlan or geneve" none
    encapsulation=$answer
    [[ $encapsulation =~ ^(none|vxlan|geneve)$ ]] || code=2 fail "encapsulation $encapsulation: accepted are none, vxlan and geneve"
    if [[ $encapsulation != none ]]; then
        ask "VNIs to keep, between commas (empty: all)" ""
        vnis=$answer
    fi
    ask "Cloud that findings go to: its host, or here for one on this machine" here
    if [[ $answer != here ]]; then
        host=$answer
        read -r -s -p "Token of that cloud (role Deploy): " token && echo
    fi
    given=$work/node.yaml
    write_config "$mode" "$interface" "$encapsulation" "$vnis" >"$given"
}

write_config() { # write_config MODE INTERFACE ENCAPSULATION VNIS: a configuration on standard output
    local vni
    if [[ $1 == tcp-capture ]]; then
        printf 'version: 4\nmode: tcp-capture\ngoreplay:\n  filter: "%s:"\n' "${2#any}"
        [[ $3 == none ]] && return
        [[ $3 == vxlan ]] || code=2 fail "encapsulation $3: mode tcp-capture knows vxlan; take tcp-capture-v2"
        printf '  extra_args:\n    - -input-raw-engine\n    - vxlan\n'
        for vni in ${4//,/ }; do printf '    - -input-raw-vxlan-vni\n    - "%s"\n' "$vni"; done
        return
    fi
    printf 'version: 4\nmode: tcp-capture-v2\ntcp_stream:\n'
    case $3 in
        none) printf '  from_interface: {enabled: true, interface: "%s"}\n' "$2" ;;
        *) printf '  from_%s: {enabled: true, vni_filter: [%s]}\n' "$3" "$4" ;;
    esac
}

# --- files ---------------------------------------------------------------------------------------------------------------

make_user() {
    id "$USER_NAME" >/dev/null 2>&1 && return
    useradd --system --user-group --no-create-home --home-dir "$PREFIX/var" --shell /usr/sbin/nologin \
        --comment "tcpmirror sensor" "$USER_NAME"
}

make_directories() {
    install --directory --mode=755 "$PREFIX" "$PREFIX/bin" "$PREFIX/etc" "$PREFIX/versions" "$PREFIX/backups"
    chmod 700 "$PREFIX/backups"
    install --directory --mode=755 --owner="$USER_NAME" --group="$USER_NAME" "$PREFIX/var" "$PREFIX/var/run"
    install --directory --mode=700 --owner="$USER_NAME" --group="$USER_NAME" "$STATE"
    install --directory --mode=750 --owner="$USER_NAME" --group="$USER_NAME" "$PREFIX/var/log"
}

place_version() { # versions/ID, complete or not there
    local id=$1 place=$PREFIX/versions/$1 command python
    [[ -e $place/complete ]] && return
    rm -rf "$place"
    python=$(python_of_release)
    "$python" -m venv --without-pip "$place"
    cp -a "$release/lib/." "$place/lib/python$(fact python)/site-packages/"
    cp -a "$release"/{configs,docs,LICENSE,release,sbom.cdx.json,licences.md} "$place/"
    install -m 755 "$release/install.sh" "$place/install.sh"
    # Compiled rules: those that a release for machines of one kind brings, and of the version before what is still the same.
    mkdir -p "$place/share/tcpmirror/rules"
    cp -a "$PREFIX"/current/share/tcpmirror/rules/. "$place/share/tcpmirror/rules" 2>/dev/null || true
    if [[ -d $release/rules ]]; then cp -a "$release/rules/." "$place/share/tcpmirror/rules"; fi
    for command in "${COMMANDS[@]}"; do write_program "$place" "$command"; done
    "$place/bin/tcpmirror" --version >/dev/null || fail "version $id does not run on this machine"
    say "compiling the rules of version $id for this machine"
    "$place/bin/tcpmirror" rules compile >/dev/null || fail "version $id cannot compile its rules"
    touch "$place/complete"
}

write_program() { # write_program VERSION_DIRECTORY COMMAND: what an entry point of the package is started by
    local module
    case $2 in
        tcpmirror) module=tcpmirror.cli ;;
        tcpmirror-supervisor) module=tcpmirror.supervisor.command ;;
        tcpmirror-cloud) module=tcpmirror.console.command ;;
    esac
    printf '#!%s/bin/python\nimport sys\n\nfrom %s import main\n\nsys.exit(main())\n' "$1" "$module" >"$1/bin/$2"
    chmod 755 "$1/bin/$2"
}

# With the installation's places and env.list; the version is that of the moment at which it is started.
write_commands() {
    local command
    for command in "${COMMANDS[@]}"; do
        cat >"$PREFIX/bin/$command" <<SH
#!/bin/sh
export TCPMIRROR_CONFIG=$CONFIG TCPMIRROR_STATE_DIR=$STATE TCPMIRROR_RUN_DIR=$PREFIX/var/run
export TCPMIRROR_LOG_FILE="\${TCPMIRROR_LOG_FILE:-$PREFIX/var/log/tcpmirror.log}"
if [ -r $ENVIRONMENT ]; then
    set -a
    . $ENVIRONMENT
    set +a
fi
exec $PREFIX/current/bin/$command "\$@"
SH
        chmod 755 "$PREFIX/bin/$command"
        if [[ -d /usr/local/bin ]]; then ln -sfn "$PREFIX/bin/$command" "/usr/local/bin/$command"; fi
    done
    # As the sensor's user, with raw sockets and nothing else: what the unit says, where there is no systemd.
    cat >"$PREFIX/bin/tcpmirror-service" <<SH
#!/bin/sh
exec setpriv --reuid=$USER_NAME --regid=$USER_NAME --init-groups --inh-caps=-all,+net_raw --ambient-caps=-all,+net_raw \\
    $PREFIX/bin/tcpmirror-supervisor "\$@"
SH
    chmod 755 "$PREFIX/bin/tcpmirror-service"
    install -m 755 "$release/install.sh" "$PREFIX/bin/install.sh"
}

# env.list: read by systemd and by a shell, so every value is in quotes that mean the same to both.
write_environment() {
    local name new=$work/env.list
    {
        echo "# Variables of the sensor: NAME='value'. Restart it after a change."
        for name in TCPMIRROR_LABELS WALLARM_LABELS TCPMIRROR_APID_ONLY WALLARM_APID_ONLY https_proxy http_proxy no_proxy; do
            [[ -z ${!name:-} ]] || printf "%s='%s'\n" "$name" "${!name//\'/}"
        done
        [[ -z $host ]] || printf "TCPMIRROR_API_HOST='%s'\n" "${host//\'/}"
        [[ -z $token ]] || printf "TCPMIRROR_API_TOKEN='%s'\n" "${token//\'/}"
    } >"$new"
    if [[ -f $ENVIRONMENT && $preserve == true ]]; then
        # What is given now replaces what was given then; the rest stays.
        grep --invert-match --fixed-strings --file=<(grep --only-matching --extended-regexp '^[A-Za-z_]+=' "$new" || echo $'\x01') \
            "$ENVIRONMENT" | grep --invert-match '^# Variables of the sensor' >"$work/kept" || true
        cat "$work/kept" >>"$new"
    fi
    install --mode=640 --owner=root --group="$USER_NAME" "$new" "$ENVIRONMENT"
}

write_configuration() {
    if [[ -f $CONFIG && $preserve == true && -z $given ]]; then return; fi
    if [[ -z $given ]]; then
        given=$work/node.yaml
        write_config "${mode:-tcp-capture-v2}" any none '' >"$given"
    fi
    install --mode=640 --owner=root --group="$USER_NAME" "$given" "$CONFIG"
}

write_system_files() {
    local source=$PREFIX/versions/$1/configs
    if [[ -d /etc/systemd/system ]]; then install -m 644 "$source/systemd/tcpmirror.service" "$UNIT"; fi
    if [[ -d /etc/logrotate.d ]]; then install -m 644 "$source/logrotate/tcpmirror" "$LOGROTATE"; fi
    if [[ -d /etc/sysctl.d ]]; then
        install -m 644 "$source/systemd/tcpmirror.sysctl.conf" "$SYSCTL"
        sysctl --quiet --load "$SYSCTL" 2>/dev/null || warn "receive buffers cannot be made larger here (see $SYSCTL)"
    fi
}

# The configuration is looked at by the new version before anything of the old one is touched.
check_configuration() {
    local file=${given:-$CONFIG} found
    [[ -n $given || -f $CONFIG && $preserve == true ]] || return 0
    PYTHONPATH=$release/lib "$(python_of_release)" -B -m tcpmirror.cli check-config "$file" >"$work/effective" 2>"$work/said" ||
        { cat "$work/said" >&2; code=3 fail "nothing was changed: $file cannot be used by version $(fact version)"; }
    cat "$work/said" >&2
    found=$(sed --quiet --regexp-extended 's/^mode: *["'\'']?([a-z0-9-]+).*/\1/p' "$work/effective")
    [[ -z $mode || $mode == "$found" ]] || code=3 fail "$file: incorrect configuration for mode $mode: its mode is $found"
}

# --- running -------------------------------------------------------------------------------------------------------------

has_systemd() { [[ -d /run/systemd/system ]]; }

service_start() {
    # 9: what runs on must not hold the installer's lock.
    if has_systemd; then systemctl start tcpmirror; else "$PREFIX/bin/tcpmirror-service" start 9<&-; fi
}

service_stop() {
    if has_systemd && [[ -f $UNIT ]]; then systemctl stop tcpmirror || true; fi
    if [[ -x $PREFIX/bin/tcpmirror-supervisor && -e $PREFIX/current/complete ]]; then
        "$PREFIX/bin/tcpmirror-supervisor" stop >/dev/null || fail "the sensor that runs could not be stopped"
    fi
}

is_healthy() { # every process runs, and none has been started again
    "$PREFIX/bin/tcpmirror-supervisor" status --json 2>/dev/null | "$PREFIX/current/bin/python" -c '
import json, sys
status = json.load(sys.stdin)
sys.exit(status["state"] != "running" or any(process["restarts"] for process in status["processes"]))' 2>/dev/null
}

runs_well() { # started, and healthy for as long as is asked for
    local since=$SECONDS
    service_start >"$work/start" 2>&1 || { cat "$work/start" >&2; return 1; }
    until ((SECONDS - since >= health_s)); do
        is_healthy || return 1
        sleep 0.5
    done
    is_healthy
}

use_version() { # the link changes in one step
    ln -sfn "versions/$1" "$PREFIX/.current" && mv -T "$PREFIX/.current" "$PREFIX/current"
}

# --- the ways through ----------------------------------------------------------------------------------------------------

# shellcheck disable=SC2317  # a trap calls it
finish() { # at every end of this script
    local status=$?
    trap - EXIT
    if [[ $undo == upgrade ]]; then roll_back || status=1; fi
    [[ -z $work ]] || rm -rf "$work"
    exit "$status"
}

save() { # into backups/: what a new version may change
    local backup
    backup=$PREFIX/backups/$(date --utc +%Y%m%dT%H%M%SZ)-$1
    install --directory --mode=700 "$backup"
    cp -a "$PREFIX/etc" "$backup/etc"
    cp -a --reflink=auto "$STATE" "$backup/lib"
    echo "$backup"
}

# shellcheck disable=SC2317
roll_back() {
    undo=
    warn "version $new did not come up: going back to $old"
    tail -n 20 "$PREFIX/var/log/tcpmirror.log" >&2 2>/dev/null || true
    service_stop
    use_version "$old"
    rm -rf "${PREFIX:?}/etc"
    cp -a "$backup/etc" "$PREFIX/etc"
    write_system_files "$old"
    if has_systemd; then systemctl daemon-reload; systemctl reset-failed tcpmirror 2>/dev/null || true; fi
    # What was found meanwhile stays, unless the older version cannot read what the newer one made of its state.
    if ! runs_well; then
        service_stop
        mv "$STATE" "$backup/lib-of-$new"
        cp -a "$backup/lib" "$STATE"
        runs_well || { warn "version $old does not come up either; see $PREFIX/var/log/tcpmirror.log"; return 1; }
        warn "the state is that from before the upgrade; what came after is in $backup/lib-of-$new"
    fi
    [[ $new == "$old" ]] || rm -rf "$PREFIX/versions/$new"
    say "version $old runs again; the upgrade was taken back"
}

remove_old_versions() { # the one before is kept, for looking back
    local version keep_new=$1 keep_old=$2
    for version in "$PREFIX"/versions/*; do
        [[ ${version##*/} == "$keep_new" || ${version##*/} == "$keep_old" ]] || rm -rf "$version"
    done
    find "$PREFIX/backups" -mindepth 1 -maxdepth 1 | sort | head -n -3 | xargs -r rm -rf
}

install_or_upgrade() {
    unpack
    new=$(identity) old=$(installed || true)
    check_prerequisites
    if [[ $batch == no && -z $token$host$mode$given && -z $old ]]; then ask_questions; fi
    check_configuration
    make_user
    make_directories
    place_version "$new"
    if [[ -n $old ]]; then
        service_stop
        backup=$(save "$old")
        undo=upgrade
    fi
    write_configuration
    write_environment
    write_commands
    use_version "$new"
    write_system_files "$new"
    if has_systemd; then systemctl daemon-reload; fi
    if [[ $start == no ]]; then
        undo=
        say "version $(fact version) is installed and not started: $PREFIX/bin/tcpmirror-service run"
        return
    fi
    if has_systemd; then systemctl --quiet enable tcpmirror; fi
    if ! runs_well; then
        [[ -z $undo ]] || exit 1
        tail -n 20 "$PREFIX/var/log/tcpmirror.log" >&2 2>/dev/null || true
        fail "installed, but it does not run: correct what is said above and run the installer again"
    fi
    undo=
    remove_old_versions "$new" "$old"
    tell_registered
    tell_done
}

tell_registered() {
    local waited
    [[ -n $host ]] || return 0
    for ((waited = 0; waited < 30; waited++)); do
        if [[ -s $STATE/node.json ]]; then
            say "registered with $host as node $(sed --regexp-extended 's/.*"node_id": *"([^"]+)".*/\1/' "$STATE/node.json")"
            return
        fi
        sleep 1
    done
    warn "not registered with $host yet; the sensor goes on trying, and says why in $PREFIX/var/log/tcpmirror.log"
}

tell_done() {
    say "version $(fact version) runs; configuration: $CONFIG, log: $PREFIX/var/log/tcpmirror.log"
    if [[ -s $STATE/admin-password ]]; then
        say "console: http://127.0.0.1:8088/ user admin, password in $STATE/admin-password: sign in, then remove that file"
    fi
}

uninstall() {
    local answer
    if [[ $batch == no ]]; then
        ask "Remove $PREFIX with its configuration and all findings? yes or no" no
        [[ $answer == yes ]] || fail "nothing was removed"
    fi
    service_stop
    if has_systemd && [[ -f $UNIT ]]; then systemctl --quiet disable tcpmirror || true; fi
    rm -f "${ELSEWHERE[@]}"
    if has_systemd; then systemctl daemon-reload; systemctl reset-failed tcpmirror 2>/dev/null || true; fi
    rm -rf "$PREFIX"
    if id "$USER_NAME" >/dev/null 2>&1; then userdel "$USER_NAME"; fi
    if getent group "$USER_NAME" >/dev/null; then groupdel "$USER_NAME"; fi
    say "removed"
}

main() {
    parse "$@"
    [[ $(id -u) == 0 ]] || fail "root is needed"
    umask 022
    exec 9<"$(dirname "$PREFIX")"
    flock --nonblock 9 || fail "another installer is at work"
    trap finish EXIT
    trap 'exit 130' INT TERM HUP
    case $action in
        uninstall) uninstall ;;
        *) install_or_upgrade ;;
    esac
}

main "$@"
exit
#__ARCHIVE__
