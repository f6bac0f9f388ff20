#!/usr/bin/env bash
# Takes the installer of dist/ through its whole life on a Debian that systemd has booted: `make release cycle`, as root.
#
# The machine is made anew by debootstrap in build/cycle and runs in namespaces of its own, without a way out: systemd is its first
# process, its only interface is lo. What is upgraded to is the same release under another version; one more whose workers do
# not come up has to be taken back. Ends with 1 and the step that failed, or with 0. DEBIAN_MIRROR names another mirror.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly WORK=$PWD/build/cycle HOME_THERE=/opt/tcpmirror
readonly ROOT=$WORK/root RELEASES=$WORK/releases
readonly PACKAGES=systemd,systemd-sysv,python3,python3-venv,libpcap0.8,libseccomp2,logrotate,iproute2,curl,procps
step='finding what it needs' machine='' init=''

fail() { echo "cycle: $*" >&2; exit 1; }

begin() { step=$*; echo "cycle: $*"; }

# shellcheck disable=SC2317  # a trap calls it
finish() {
    local status=$?
    [[ -z $init ]] || kill -KILL "$init" 2>/dev/null || true
    ((status == 0)) || echo "cycle: failed at: $step (what the machine said: $WORK/boot.log, $WORK/said)" >&2
}

make_root() { # whose Python is the one that the release is for
    local suite
    case $1 in
        *-cp311.sh) suite=bookworm ;;
        *-cp313.sh) suite=trixie ;;
        *) fail "no Debian comes with the Python of $1" ;;
    esac
    rm -rf "$ROOT"
    mkdir -p "$WORK/packages"
    debootstrap --variant=minbase --cache-dir="$WORK/packages" --include="$PACKAGES" "$suite" "$ROOT" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} \
        >"$WORK/said" 2>&1
}

make_releases() { # first.sh as it was made; second/ of another version; third/ that does not work
    rm -rf "$RELEASES"
    mkdir -p "$RELEASES/second"
    cp "$1" "$RELEASES/first.sh"
    tar --extract --gzip --file "${1%.sh}.tar.gz" --strip-components=1 --directory "$RELEASES/second"
    cp -al "$RELEASES/second" "$RELEASES/third"
    replace second release "$(sed 's/^version=.*/version=99.1/' "$RELEASES/second/release")"
    replace third release "$(sed 's/^version=.*/version=99.2/' "$RELEASES/third/release")"
    replace third lib/tcpmirror/processes/worker.py "raise RuntimeError('a version that does not work')"
}

replace() { # replace RELEASE FILE TEXT, and its line of SHA256SUMS
    cd "$RELEASES/$1"
    rm "$2"
    echo "$3" >"$2"
    sed "\\| \\./$2\$|d" SHA256SUMS >sums
    sha256sum "./$2" >>sums
    mv sums SHA256SUMS
    cd - >/dev/null
}

# Run by the first process of the new namespaces; $1 is the root, $2 what it sees at /mnt.
# shellcheck disable=SC2016
readonly BOOT='
set -e
mount --bind "$1" "$1"
mount --bind -o ro "$2" "$1/mnt"
cd "$1"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 none sys/fs/cgroup
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for name in null zero full random urandom tty; do touch "dev/$name"; mount --bind "/dev/$name" "dev/$name"; done
mkdir dev/pts dev/shm
mount -t tmpfs tmpfs dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ip link set lo up
exec env -i container=lxc PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . /lib/systemd/systemd --log-target=console'

boot() {
    local end
    unshare --mount --net --pid --ipc --uts --cgroup --fork bash -c "$BOOT" _ "$ROOT" "$RELEASES" </dev/null >>"$WORK/boot.log" 2>&1 &
    machine=$! end=$((SECONDS + 120))
    until init=$(cat "/proc/$machine/task/$machine/children") && init=${init% } && [[ -n $init ]]; do sleep 0.1; done
    until [[ $(there systemctl is-system-running 2>&1) == running ]]; do
        ((SECONDS < end)) || fail "systemd does not come up"
        sleep 0.5
    done
}

there() { # a command on the machine
    nsenter --target="$init" --mount --uts --ipc --net --pid --cgroup --root --wd \
        env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@" </dev/null
}

eventually() { # until it succeeds, for 60 s
    local end=$((SECONDS + 60))
    until "$@" >"$WORK/said" 2>&1; do
        ((SECONDS < end)) || fail "never succeeded: $* ($(tail -n 3 "$WORK/said"))"
        sleep 0.5
    done
}

expect() { # expect TEXT COMMAND...: its output has the text
    there "${@:2}" >"$WORK/said" 2>&1 || true
    grep --quiet --fixed-strings -- "$1" "$WORK/said" || fail "no '$1' in what ${*:2} says: $(tail -n 5 "$WORK/said")"
}

installer() { # installer EXIT_CODE RELEASE OPTION...
    local code=0
    there env WALLARM_LABELS=group=edge bash "/mnt/$2" "${@:3}" >"$WORK/said" 2>&1 || code=$?
    ((code == $1)) || fail "the installer ended with $code: $(tail -n 5 "$WORK/said")"
}

is_running() { # is_running VERSION
    [[ $(there systemctl is-active tcpmirror) == active ]] || return
    [[ $(there readlink "$HOME_THERE/current") == versions/"$1"-* ]] || return
    there tcpmirror-supervisor status | grep --quiet ': running, '
}

finds() { # finds NAME: an attack of that name is made and stands in the sensor's log
    there curl --silent --path-as-is --output /dev/null --max-time 5 "http://127.0.0.1:8000/../../etc/passwd?$1" &&
        there grep --quiet "type=ptrav .*etc/passwd?$1" "$HOME_THERE/var/log/tcpmirror.log"
}

serve() { there systemd-run --quiet --unit=site --property=DynamicUser=yes python3 -m http.server 8000 --bind 127.0.0.1; }

files() { # what an installer could have left
    there find / -xdev \( -type f -o -type l \) -not -path '/var/lib/systemd/*' -not -path '/var/log/*' -not -name '*.pyc' \
        -not -path '/etc/*-' -not -path /var/lib/logrotate/status | sort
}

worst_process() { # the processes of the sensor that have more than CAP_NET_RAW (bit 13), or may gain rights, or are another's
    # shellcheck disable=SC2016
    there sh -c 'for pid in $(cat /sys/fs/cgroup/system.slice/tcpmirror.service/cgroup.procs); do
        grep --quiet "^CapEff:.0000000000000000$\|^CapEff:.0000000000002000$" /proc/$pid/status &&
            grep --quiet "^NoNewPrivs:.1$" /proc/$pid/status && grep --quiet "^Seccomp:.2$" /proc/$pid/status &&
            [ "$(ps -o user:20= -p $pid)" = tcpmirror ] || echo "$pid $(tr "\0" " " </proc/$pid/cmdline)"
    done'
}

[[ $(id -u) == 0 ]] || fail "root is needed"
for command in debootstrap unshare nsenter ip; do type -P "$command" >/dev/null || fail "missing: the command $command"; done
release=$({ find dist -name 'tcpmirror-*.sh' -printf '%T@ %p\n' 2>/dev/null || true; } | sort -n | tail -n 1 | cut -d ' ' -f 2)
[[ -n $release ]] || fail "there is no release in dist: make release"
version=$(basename "$release" | cut -d - -f 2)
trap finish EXIT

begin "making a Debian"
make_root "$release"
make_releases "$release"
: >"$WORK/boot.log"
begin "booting it"
boot
files >"$WORK/before"

begin "a library is missing, and named"
there sh -c 'mv /usr/lib/*/libpcap.so.0.8 /var/tmp'
installer 1 first.sh -- --batch
grep --quiet 'apt-get install --no-install-recommends libpcap0.8' "$WORK/said" || fail "the missing library is not named"
there sh -c 'mv /var/tmp/libpcap.so.0.8 /usr/lib/*-linux-gnu/'

begin "installing version $version"
installer 0 first.sh -- --batch --mode=tcp-capture-v2
is_running "$version" || fail "it does not run"
expect enabled systemctl is-enabled tcpmirror
expect group=edge cat "$HOME_THERE/etc/env.list"

begin "the unit, and what its processes may do"
there systemd-analyze verify /etc/systemd/system/tcpmirror.service
exposure=$(there systemd-analyze security tcpmirror --no-pager | tail -n 1)
echo "cycle: $exposure"
there systemd-analyze security tcpmirror --threshold=25 >/dev/null || fail "exposed more than 2.5"
[[ -z $(worst_process) ]] || fail "may do too much: $(worst_process)"

begin "finding an attack"
serve
eventually finds installed

begin "reload, a turned log, a killed sensor"
there systemctl reload tcpmirror
there logrotate --force /etc/logrotate.d/tcpmirror
there test -s "$HOME_THERE/var/log/tcpmirror.log.1" || fail "the log was not turned"
eventually finds turned
there systemctl kill --kill-whom=main --signal=KILL tcpmirror
eventually is_running "$version"
eventually test "$(there systemctl show --property=NRestarts --value tcpmirror)" = 1

begin "the machine boots again"
node=$(there cat "$HOME_THERE/var/lib/node.json")
there systemctl reboot >/dev/null 2>&1 || true
wait "$machine" 2>/dev/null || true
boot
eventually is_running "$version"
[[ $(there cat "$HOME_THERE/var/lib/node.json") == "$node" ]] || fail "it is another node now"

begin "upgrading"
there sh -c "echo '# mine' >>$HOME_THERE/etc/node.yaml"
installer 0 second/install.sh --batch --health-seconds=3
is_running 99.1 || fail "the new version does not run"
expect '# mine' cat "$HOME_THERE/etc/node.yaml"
serve
eventually finds upgraded

begin "an upgrade that does not come up is taken back"
installer 1 third/install.sh --batch --health-seconds=3
grep --quiet 'the upgrade was taken back' "$WORK/said" || fail "it was not taken back"
eventually is_running 99.1
expect '# mine' cat "$HOME_THERE/etc/node.yaml"
[[ $(there cat "$HOME_THERE/var/lib/node.json") == "$node" ]] || fail "it is another node now"

begin "removing it"
installer 0 second/install.sh uninstall --batch
files >"$WORK/after"
diff "$WORK/before" "$WORK/after" || fail "files are left"
expect 'no such user' id tcpmirror
expect 'could not be found' systemctl status tcpmirror
[[ -z $(there ls -A /opt) ]] || fail "something is left in /opt"
echo "cycle: all of it held, in $SECONDS s"
