"""`tcpmirror-supervisor start | stop | restart | reload | status | run [-c FILE]`.

Exit codes: 0 done, 2 usage, 3 settings, 4 environment (no permission, no interface, address in use; for `status` and
`reload` also: not running), 70 a bug of ours.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from tcpmirror.detect.pack import load_pack
from tcpmirror.errors import (
    EXIT_BUG,
    EXIT_ENVIRONMENT,
    EXIT_OK,
    EXIT_SETTINGS,
    EnvironmentFault,
    SettingsError,
    TcpmirrorError,
)
from tcpmirror.processes.rules_in_force import prepare_rules, rules_signature
from tcpmirror.settings.environment import apply_environment, config_file, placed
from tcpmirror.settings.pushed import load_in_force
from tcpmirror.settings.simulation import VARIABLE
from tcpmirror.settings.tree import SECOND, Settings
from tcpmirror.settings.tree import Supervisor as Places
from tcpmirror.supervisor.control import ask
from tcpmirror.supervisor.credentials import PASSWORD_FILE, Credentials, forget_password, load_or_create
from tcpmirror.supervisor.daemon import start_in_background
from tcpmirror.supervisor.fork import MAINS, Main
from tcpmirror.supervisor.notify import Notifier
from tcpmirror.supervisor.pid_file import PidFile, holders, is_locked, leader, wait_unlocked, written_pid
from tcpmirror.supervisor.rules import PATIENCE_NS, RuleWork
from tcpmirror.supervisor.status import render_status
from tcpmirror.supervisor.supervisor import Installation, Outcome, Supervisor, console_url
from tcpmirror.supervisor.tree import START_HEARTBEATS
from tcpmirror.telemetry.logs import configure_logging

DEFAULT_FILE: Final = Path("/etc/tcpmirror/tcpmirror.yaml")
LOG_FILE: Final = "log/tcpmirror.log"  # under supervisor.state_dir, for `start` with log.file on a standard stream
RULES_POLL_S: Final = 0.1
RULES: Final = RuleWork(prepare_rules, rules_signature)
PATIENCE_S: Final = 5.0  # beyond a deadline that the supervisor keeps itself
ADMIN: Final = "admin"

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None, mains: Mapping[str, Main] = MAINS, rules: RuleWork | None = RULES) -> int:
    """Do what the command line says and return the exit code.

    *mains*: what each kind of process runs; *rules*: how their rules are made ready, None where they have none.
    """
    arguments = _parser().parse_args(argv, argparse.Namespace(mains=mains, rules=rules))
    try:
        return COMMANDS[arguments.command](arguments)
    except TcpmirrorError as fault:
        print(f"tcpmirror-supervisor: {fault}", file=sys.stderr)
        return fault.exit_code


def start(arguments: argparse.Namespace) -> int:
    """Start a sensor in the background; return when it runs, or with the reason why it does not."""
    settings, file = _read(arguments.config, tells=True)
    pid_file = _take_place(settings)
    credentials = _credentials(settings)
    log_file = log_path(settings)
    if LOG_FILE in str(log_file):
        _make_directory("supervisor.state_dir", log_file.parent, 0o700)

    def serve(announce: Callable[[Outcome], None], release: Callable[[], None]) -> int:
        return _serve(
            Installation(settings, _reader(file), file, str(log_file), credentials, arguments.mains, arguments.rules),
            pid_file,
            announce,
            release,
        )

    patience_s = settings.supervisor.heartbeat_s * START_HEARTBEATS + PATIENCE_S
    patience_s += PATIENCE_NS / SECOND if arguments.rules else 0
    outcome = start_in_background(serve, log_file, patience_s)
    if outcome.exit_code == EXIT_OK:
        _tell_running(settings, credentials, outcome)
        return EXIT_OK
    pid_file.let_go()
    wait_unlocked(Path(settings.supervisor.run_dir), settings.supervisor.stop_deadline_s + PATIENCE_S)
    print(f"tcpmirror-supervisor: not started: {outcome.reason}; log: {log_file}", file=sys.stderr)
    return outcome.exit_code


def run(arguments: argparse.Namespace) -> int:
    """Run a sensor in front until it is told to stop (SIGTERM, Ctrl-C)."""
    if arguments.simulate:
        os.environ[VARIABLE] = arguments.simulate
    settings, file = _read(arguments.config, tells=True)
    pid_file = _take_place(settings)
    credentials = _credentials(settings)
    installation = Installation(
        settings, _reader(file), file, settings.log.file, credentials, arguments.mains, arguments.rules
    )

    def announce(outcome: Outcome) -> None:
        try:
            if outcome.exit_code == EXIT_OK:
                _tell_running(settings, credentials, outcome)
            else:
                print(f"tcpmirror-supervisor: not started: {outcome.reason}", file=sys.stderr)
        except OSError:  # whoever read our output has gone; the sensor goes on, and what is unwritten must not fail its end
            with Path(os.devnull).open("wb") as nothing:
                os.dup2(nothing.fileno(), sys.stdout.fileno())

    return _serve(installation, pid_file, announce, lambda: None)


def stop(arguments: argparse.Namespace) -> int:
    """Stop the sensor and return when its last process is gone."""
    places = _places(arguments.config)
    run_dir = Path(places.run_dir)
    if not is_locked(run_dir):
        print("tcpmirror is not running")
        return EXIT_OK
    pid = leader(run_dir)
    # Without a leader these are the processes of a supervisor that was killed; they end by themselves, but not in order.
    _signal((pid,) if pid else holders(run_dir), signal.SIGTERM)
    if not wait_unlocked(run_dir, places.stop_deadline_s + PATIENCE_S):
        stuck = holders(run_dir)
        _signal(stuck, signal.SIGKILL)
        if not wait_unlocked(run_dir, PATIENCE_S):
            raise EnvironmentFault(f"these processes cannot be ended: pid {', '.join(map(str, holders(run_dir)))}")
        print(f"killed what did not stop within supervisor.stop_deadline: pid {', '.join(map(str, stuck))}", file=sys.stderr)
    print("tcpmirror stopped")
    return EXIT_OK


def restart(arguments: argparse.Namespace) -> int:
    """Stop and start; a settings file that cannot be used stops nothing."""
    _read(arguments.config, tells=False)
    return stop(arguments) or start(arguments)


def reload(arguments: argparse.Namespace) -> int:
    """Have the running sensor take its settings file again, and say what came of it."""
    run_dir = Path(_places(arguments.config).run_dir)
    if not is_locked(run_dir):
        print("tcpmirror is not running", file=sys.stderr)
        return EXIT_ENVIRONMENT
    answer = ask(run_dir, {"command": "reload"})
    if arguments.json:
        print(json.dumps(answer))
    elif "error" in answer:
        print(f"tcpmirror-supervisor: nothing was changed: {answer['error']}", file=sys.stderr)
    else:
        print(f"changed: {', '.join(answer['changed']) or 'no setting'}; workers read the rules again")
        for words, key in (("started anew", "restarted"), ("holds only after a restart", "needs_restart")):
            if answer[key]:
                print(f"{words}: {', '.join(answer[key])}")
        return _tell_rules(run_dir)
    return int(answer["exit_code"])


def _tell_rules(run_dir: Path) -> int:
    """Wait until the rules are ready, and say so if they were refused: those before are in force then."""
    while rules := ask(run_dir, {"command": "status"}).get("rules"):
        if rules["state"] == "refused":
            print(f"tcpmirror-supervisor: rules refused, those before stay in force: {rules['problem']}", file=sys.stderr)
            return EXIT_SETTINGS
        if rules["state"] == "in force":
            break
        time.sleep(RULES_POLL_S)
    return EXIT_OK


def status(arguments: argparse.Namespace) -> int:
    """Show how the sensor and each of its processes do."""
    run_dir = Path(_places(arguments.config).run_dir)
    if not is_locked(run_dir):
        print(json.dumps({"state": "stopped", "processes": []}) if arguments.json else "tcpmirror is not running")
        return EXIT_ENVIRONMENT
    try:
        answer = ask(run_dir, {"command": "status"})
    except EnvironmentFault as fault:
        if not _is_coming_up(run_dir, fault):
            raise
        print(json.dumps({"state": "starting", "processes": []}) if arguments.json else "tcpmirror: starting")
        return EXIT_OK
    print(json.dumps(answer) if arguments.json else render_status(answer))
    return EXIT_OK


def _is_coming_up(run_dir: Path, fault: EnvironmentFault) -> bool:
    """Whether nobody answers because the supervisor has its place and does not listen yet.

    Of one that was killed only children are left, and the pid in its file is nobody's.
    """
    is_silent = isinstance(fault.__cause__, FileNotFoundError | ConnectionRefusedError)
    pid = written_pid(run_dir)  # read once: it may be written at any moment
    return is_silent and is_locked(run_dir) and (pid == 0 or pid in holders(run_dir))


COMMANDS: Final[dict[str, Callable[[argparse.Namespace], int]]] = {
    "start": start,
    "run": run,
    "stop": stop,
    "restart": restart,
    "reload": reload,
    "status": status,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tcpmirror-supervisor", description="Starts, watches and stops one tcpmirror sensor."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        words = (command.__doc__ or "").split(".")[0]
        sub = commands.add_parser(name, help=words[0].lower() + words[1:], description=command.__doc__)
        sub.add_argument(
            "-c",
            "--config",
            type=Path,
            metavar="FILE",
            help=f"settings file (default: $TCPMIRROR_CONFIG, {DEFAULT_FILE} if it is there)",
        )
        if name in ("status", "reload"):
            sub.add_argument("--json", action="store_true", help="answer in JSON")
        if name == "run":
            sub.add_argument("--simulate", default="", metavar="FAULTS", help=argparse.SUPPRESS)
    return parser


def _serve(
    installation: Installation, pid_file: PidFile, announce: Callable[[Outcome], None], release: Callable[[], None]
) -> int:
    """Be the supervisor until the sensor has ended."""
    settings = installation.settings
    try:
        configure_logging("supervisor", settings.log.level, settings.log.pretty, installation.log_file)
        pid_file.write()
        return Supervisor(installation, Notifier.from_environment(os.environ), announce, release).run()
    except TcpmirrorError as fault:
        log.error("%s", fault)
        announce(Outcome(fault.exit_code, str(fault), ()))
        return fault.exit_code
    except Exception:
        log.exception("the supervisor ended by a bug; its processes end with it")
        return EXIT_BUG
    finally:
        pid_file.remove()


def _read(config: Path | None, tells: bool) -> tuple[Settings, str]:
    """Return the settings and the absolute path they are from (empty: the defaults); with *tells*, warnings go to stderr."""
    config = config or config_file(os.environ)
    if config is None and not DEFAULT_FILE.exists():
        return apply_environment(load_in_force(None, os.environ).settings, os.environ), ""
    file = (config or DEFAULT_FILE).absolute()
    loaded = load_in_force(file, os.environ)
    for warning in loaded.warnings if tells else ():
        print(f"tcpmirror-supervisor: warning: {warning}", file=sys.stderr)
    return apply_environment(loaded.settings, os.environ), str(file)


def _reader(file: str) -> Callable[[], Settings]:
    """Return what reads the settings again for a reload; own rules are looked through too, before the workers take them."""

    def read_again() -> Settings:
        loaded = load_in_force(Path(file) if file else None, os.environ)
        for warning in loaded.warnings:
            log.warning("%s", warning)
        settings = apply_environment(loaded.settings, os.environ)
        if settings.inspection.rules_dir:
            load_pack(Path(settings.inspection.rules_dir))
        return settings

    return read_again


def _places(config: Path | None) -> Places:
    """Return where a running sensor is to be found.

    A settings file that was broken since the start must not keep anybody from stopping it: then one key is looked for.
    """
    try:
        return _read(config, tells=False)[0].supervisor
    except SettingsError:
        file = config or config_file(os.environ) or DEFAULT_FILE
        found = re.search(
            r"""\brun_dir:\s*["']?([^"'#,}\n]+)""", file.read_text(errors="replace") if file.is_file() else "", re.MULTILINE
        )
        if config and not file.is_file():
            raise
        return Places(run_dir=found[1].strip()) if found else placed(Settings(), os.environ).supervisor


def _take_place(settings: Settings) -> PidFile:
    """Make the directories and take the lock that only one sensor can have."""
    _make_directory("supervisor.state_dir", Path(settings.supervisor.state_dir), 0o700)
    _make_directory("supervisor.run_dir", Path(settings.supervisor.run_dir), 0o755)
    return PidFile(Path(settings.supervisor.run_dir))


def _make_directory(key: str, path: Path, mode: int) -> None:
    try:
        path.mkdir(mode=mode, parents=True, exist_ok=True)
        owner = path.stat()
    except OSError as fault:
        raise EnvironmentFault(
            f"{key}: {path} cannot be made: {fault.strerror}; run as root, or set {key} to a directory of yours"
        ) from fault
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise EnvironmentFault(
            f"{key}: {path} cannot be written by uid {os.geteuid()}; run as root, or set {key} to a directory of yours"
        )
    # The processes give up root's power over other people's files.
    if owner.st_uid != os.geteuid() == 0 and not owner.st_mode & 0o002:
        raise EnvironmentFault(
            f"{key}: {path} belongs to uid {owner.st_uid}; run as that user, or set {key} to a directory of root's"
        )


def _credentials(settings: Settings) -> Credentials:
    return load_or_create(Path(settings.supervisor.state_dir)) if settings.cloud.embedded else Credentials()


def log_path(settings: Settings) -> Path:
    """Where a sensor in the background logs: there is no terminal, so a standard stream becomes a file."""
    if settings.log.file in ("stdout", "stderr"):
        return Path(settings.supervisor.state_dir).absolute() / LOG_FILE
    return Path(settings.log.file).absolute()


def _tell_running(settings: Settings, credentials: Credentials, outcome: Outcome) -> None:
    """Print what an operator needs first; the password only to somebody who reads it, never into a journal."""
    print(f"tcpmirror runs: {', '.join(outcome.processes)}")
    if url := console_url(settings):
        print(f"console: {url}")
    if credentials.admin_password:
        state_dir = Path(settings.supervisor.state_dir)
        if "JOURNAL_STREAM" in os.environ and not sys.stdout.isatty():
            print(f"console user {ADMIN}, first password in {state_dir / PASSWORD_FILE}: sign in, then remove that file")
        else:
            print(f"console user {ADMIN}, password {credentials.admin_password} (shown this once)", flush=True)
            forget_password(state_dir)
    sys.stdout.flush()


def _signal(pids: Sequence[int], number: signal.Signals) -> None:
    if not pids:
        raise EnvironmentFault("a sensor is running, but not one that this user may stop; run as its user, or as root")
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
        except PermissionError as fault:
            raise EnvironmentFault(f"pid {pid} belongs to another user; run as that user, or as root") from fault


if __name__ == "__main__":
    sys.exit(main())
