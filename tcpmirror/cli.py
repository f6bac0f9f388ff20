"""`tcpmirror`: what can be done without a running sensor."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import IO

import orjson

from tcpmirror import __version__
from tcpmirror.errors import EXIT_ENVIRONMENT, EXIT_OK, EXIT_USAGE, EnvironmentFault, TcpmirrorError
from tcpmirror.model.attack import ATTACK_TYPES
from tcpmirror.settings import apply_environment, describe_settings, load_settings
from tcpmirror.settings.environment import config_file
from tcpmirror.settings.memory import memory_shares, worker_count, written
from tcpmirror.settings.simulation import simulated
from tcpmirror.settings.tree import Settings, Source


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code (0 done, 2 usage, 3 settings, 4 environment, 70 bug)."""
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.command(arguments)
    except TcpmirrorError as problem:
        print(f"tcpmirror: {problem}", file=sys.stderr)
        return problem.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except KeyboardInterrupt:
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tcpmirror", description="Passive API-security sensor for mirrored TCP traffic.")
    parser.add_argument("--version", action="version", version=f"tcpmirror {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    analyze = commands.add_parser("analyze", help="rebuild exchanges and find attacks in capture files")
    analyze.add_argument("pcaps", nargs="+", metavar="PCAP", help="captures, directories of them, - (standard input)")
    analyze.add_argument("-c", "--config", type=Path, metavar="FILE", help="settings file")
    analyze.add_argument(
        "--workers", type=_positive, metavar="N", help="worker processes (default: the settings', else one a CPU)"
    )
    analyze.add_argument("--exchanges", metavar="OUT.jsonl", help="write a line for every exchange (- for standard output)")
    analyze.add_argument("--findings", metavar="OUT.jsonl", help="write a line for every finding (- for standard output)")
    analyze.add_argument("--apis", metavar="OUT.jsonl", help="write a line for every API endpoint (- for standard output)")
    analyze.add_argument("--weaknesses", metavar="OUT.jsonl", help="write a line for every weakness of the servers")
    analyze.add_argument("--bots", metavar="OUT.jsonl", help="write a line for each bot, with the evidence")
    analyze.add_argument("--key-log", default="", metavar="FILE", help="decrypt TLS with the secrets of an SSLKEYLOGFILE")
    analyze.add_argument("--until", default="all", metavar="STAGE", help=argparse.SUPPRESS)
    analyze.add_argument("--simulate", default="", metavar="FAULTS", help=argparse.SUPPRESS)
    analyze.set_defaults(command=_analyze)

    inspect = commands.add_parser("inspect", help="detection alone, on requests given as JSON lines")
    inspect.add_argument("requests", nargs="+", type=Path, metavar="REQUESTS.jsonl[.gz]")
    inspect.add_argument("-c", "--config", type=Path, metavar="FILE", help="settings file")
    inspect.add_argument("--out", type=Path, metavar="OUT.jsonl", help="where the verdicts go (default: standard output)")
    inspect.set_defaults(command=_inspect)

    doctor = commands.add_parser("doctor", help="why do I see nothing? Look at an interface or a capture file")
    doctor.add_argument("pcaps", nargs="*", metavar="PCAP", help="pcap or pcapng files")
    doctor.add_argument("-i", "--interface", action="append", default=[], metavar="IFACE", help="interface; may be repeated")
    doctor.add_argument("--seconds", type=_seconds, default=10.0, metavar="N", help="how long to look (default: 10)")
    doctor.add_argument("-c", "--config", type=Path, metavar="FILE", help="settings file: what would it leave out?")
    doctor.add_argument("--key-log", default="", metavar="FILE", help="TLS secrets, for capture files")
    doctor.add_argument("--json", action="store_true", help="write JSON")
    doctor.set_defaults(command=_doctor)

    _add_rules(commands.add_parser("rules", help="the detection rules").add_subparsers(required=True, metavar="COMMAND"))

    watched = commands.add_parser("top", help="what each process of a running sensor does now, until Ctrl-C")
    watched.add_argument("-c", "--config", type=Path, metavar="FILE", help="settings file, for supervisor.run_dir")
    watched.add_argument("--seconds", type=_seconds, default=2.0, metavar="N", help="between two looks (default: 2)")
    watched.set_defaults(command=_top)

    collected = commands.add_parser("collect-info", help="one archive for support, without secrets and without traffic")
    collected.add_argument("archive", type=Path, metavar="OUT.tar.gz")
    collected.add_argument("-c", "--config", type=Path, metavar="FILE", help="settings file")
    collected.add_argument("--log", type=Path, metavar="FILE", help="the log (default: where `start` writes it)")
    collected.set_defaults(command=_collect_info)

    migrated = commands.add_parser("migrate", help="print a settings file of an older or of the native node as ours")
    migrated.add_argument("file", type=Path, metavar="FILE", help="such as /opt/wallarm/etc/wallarm/go-node.yaml")
    migrated.set_defaults(command=_migrate)

    check = commands.add_parser("check-config", help="check a settings file and print the effective settings")
    check.add_argument("file", type=Path, metavar="FILE")
    check.set_defaults(command=_check_config)
    return parser


def _add_rules(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    compiled = commands.add_parser(
        "compile", help="compile the built-in rules into the installation, so that starts are quick"
    )
    compiled.set_defaults(command=_compile_rules)
    lint = commands.add_parser("lint", help="all that is wrong or doubtful in rule packs, with file and line")
    lint.add_argument(
        "paths", nargs="*", type=Path, metavar="PACK", help="files, folders (default: own rules, else built in)"
    )
    lint.set_defaults(command=_rules("lint"))
    test = commands.add_parser("test", help="run the examples that rules must match and must not match")
    test.add_argument("paths", nargs="*", type=Path, metavar="PACK", help="files or folders (default: all rules in force)")
    test.set_defaults(command=_rules("test"))
    listed = commands.add_parser("list", help="a table of all rules")
    listed.add_argument("--type", choices=sorted(ATTACK_TYPES), metavar="TYPE", help="of one attack type: sqli, xss ...")
    listed.add_argument("--severity", choices=("low", "medium", "high", "critical"), help="of one severity")
    listed.set_defaults(command=_rules("list"))
    shown = commands.add_parser("show", help="all about one rule")
    shown.add_argument("id", metavar="ID")
    shown.set_defaults(command=_rules("show"))
    explained = commands.add_parser("explain", help="each point, decoding and rule: why a request is an attack, or not")
    explained.add_argument("given", metavar="REQUEST|FILE|-|VALUE", help="a raw HTTP request, a file with one, or a value")
    explained.set_defaults(command=_rules("explain"))
    imported = commands.add_parser("import-seclang", help="load rules in ModSecurity's language; say what cannot run here")
    imported.add_argument("directory", type=Path, metavar="DIR", help="folder of *.conf, or one file")
    imported.add_argument("--out", type=Path, metavar="FILE", help="write all that was loaded as one file")
    imported.add_argument("--json", action="store_true", help="write JSON")
    imported.set_defaults(command=_import_seclang)
    for parser in (lint, test, listed, shown, explained):
        parser.add_argument("-c", "--config", type=Path, metavar="FILE", help="settings file, for own rules")
        parser.add_argument("--json", action="store_true", help="write JSON")


def _import_seclang(arguments: argparse.Namespace) -> int:
    from tcpmirror.processes.seclang import import_seclang

    return import_seclang(arguments.directory, arguments.out, arguments.json)


def _rules(name: str) -> Callable[[argparse.Namespace], int]:
    def run(arguments: argparse.Namespace) -> int:
        from tcpmirror.processes import rules

        settings, as_json = _settings(arguments.config), arguments.json
        match name:
            case "lint":
                return rules.lint(arguments.paths, settings, as_json)
            case "test":
                return rules.test(arguments.paths, settings, cache_directory(), as_json)
            case "list":
                return rules.list_rules(settings, arguments.type, arguments.severity, as_json)
            case "show":
                return rules.show(arguments.id, settings, as_json)
            case _:
                return rules.explain_text(arguments.given, settings, cache_directory(), as_json)

    return run


def _analyze(arguments: argparse.Namespace) -> int:
    from tcpmirror.processes.analysis import STAGES, Analysis

    if arguments.until not in STAGES:
        print(f"tcpmirror: --until {arguments.until!r} is not accepted; accepted: {', '.join(STAGES)}", file=sys.stderr)
        return EXIT_USAGE
    settings = simulated(_settings(arguments.config), arguments.simulate)
    with ExitStack() as files:
        analysis = Analysis(
            settings,
            arguments.pcaps,
            arguments.workers or worker_count(settings),
            exchanges=_output(files, arguments.exchanges),
            findings=_output(files, arguments.findings),
            apis=_output(files, arguments.apis),
            weaknesses=_output(files, arguments.weaknesses),
            bots=_output(files, arguments.bots),
            until=arguments.until,
            cache_dir=cache_directory(),
            key_log=arguments.key_log or existing(settings.tls.key_log),
        )
        summary = analysis.run()
    print(orjson.dumps(summary).decode())
    return EXIT_ENVIRONMENT if summary["file_errors"] else EXIT_OK


def _inspect(arguments: argparse.Namespace) -> int:
    from tcpmirror.processes.inspect import run_inspect

    return run_inspect(arguments.requests, arguments.out, _settings(arguments.config))


def _doctor(arguments: argparse.Namespace) -> int:
    from tcpmirror.processes.doctor import examine_file, examine_interfaces
    from tcpmirror.processes.examination import write_json, write_table

    settings = _settings(arguments.config)
    configured = settings.capture.sources if arguments.config else ()
    interfaces = arguments.interface or (
        [] if arguments.pcaps else [s.interface for s in configured if s.kind == "interface"]
    )
    if not interfaces and not arguments.pcaps:
        print(
            "tcpmirror doctor: name an interface (-i), a capture file, or a settings file with either (-c)", file=sys.stderr
        )
        return EXIT_USAGE

    def source_of(name: str) -> Source | None:
        return next((source for source in configured if source.interface == name), configured[0] if configured else None)

    key_log = arguments.key_log or existing(settings.tls.key_log)
    found = [examine_file(path, settings, source_of(path), key_log) for path in arguments.pcaps]
    if interfaces:
        found += examine_interfaces(interfaces, arguments.seconds, settings, source_of)
    (write_json if arguments.json else write_table)(found, sys.stdout)
    return EXIT_OK


def _compile_rules(arguments: argparse.Namespace) -> int:
    from tcpmirror.processes.detection import compile_rules

    where = compile_rules()
    if not any(where.glob("*.hs")):
        raise EnvironmentFault(f"{where}: compiled rules could not be written there")
    return EXIT_OK


def _top(arguments: argparse.Namespace) -> int:
    from tcpmirror.supervisor.top import top

    top(Path(_settings(arguments.config).supervisor.run_dir), arguments.seconds)
    return EXIT_OK


def _collect_info(arguments: argparse.Namespace) -> int:
    from tcpmirror.supervisor.collect_info import collect_info
    from tcpmirror.supervisor.command import log_path

    settings = _settings(arguments.config)
    try:
        names = collect_info(settings, arguments.log or log_path(settings), arguments.archive)
    except OSError as fault:
        raise EnvironmentFault(f"{arguments.archive} cannot be written: {fault.strerror}") from fault
    print(f"{arguments.archive}: {', '.join(names)}")
    return EXIT_OK


def _migrate(arguments: argparse.Namespace) -> int:
    """Print the file in version 4, every key with its value, after a note on each key that means something else here."""
    loaded = load_settings(arguments.file)
    print(f"# Made from {arguments.file}.")
    for warning in loaded.warnings:
        print(f"# {warning}")
    print(describe_settings(replace(loaded.settings, version=4)), end="")
    return EXIT_OK


def _check_config(arguments: argparse.Namespace) -> int:
    loaded = load_settings(arguments.file)
    for warning in loaded.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(describe_settings(loaded.settings, hide_secrets=sys.stdout.isatty()), end="")
    workers = worker_count(loaded.settings)
    print(f"# {written(memory_shares(loaded.settings, workers).described(workers))}")
    return EXIT_OK


def cache_directory() -> Path:
    """Where one-off commands keep compiled rules (XDG base directories)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tcpmirror"


def existing(key_log: str) -> str:
    """Return the key log of the settings, if it is there: a sensor waits for it, a command does not."""
    return key_log if Path(key_log).is_file() else ""


def _settings(given: Path | None) -> Settings:
    path = given or config_file(os.environ)
    if path is None:
        return apply_environment(Settings(), os.environ)
    loaded = load_settings(path)
    for warning in loaded.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return apply_environment(loaded.settings, os.environ)


def _output(files: ExitStack, name: str | None) -> IO[bytes] | None:
    if name is None:
        return None
    if name == "-":
        return sys.stdout.buffer
    try:
        return files.enter_context(Path(name).open("wb"))
    except OSError as problem:
        raise EnvironmentFault(f"{name}: {problem.strerror}") from problem


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is not accepted; accepted: seconds, up to a day")
    return seconds


def _positive(text: str) -> int:
    number = int(text) if text.isdigit() else 0
    if not 1 <= number <= 256:
        raise argparse.ArgumentTypeError(f"{text!r} is not accepted; accepted: 1 to 256")
    return number


if __name__ == "__main__":
    sys.exit(main())
