"""`tcpmirror-cloud`: the receiving side by itself, for the sensors of this machine or, when told so, of others."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import secrets
import signal
import ssl
import sys
import threading
import time
from collections.abc import Sequence
from typing import Final

from tcpmirror.cloud.accounts import ensure_first_account
from tcpmirror.cloud.collector import settle_collector
from tcpmirror.cloud.database import open_database
from tcpmirror.cloud.enrichment.book import SourceBook
from tcpmirror.cloud.retention import DAY_NS, Retention
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.sampling import MODES, Sampler
from tcpmirror.cloud.server import bind, is_loopback, serve
from tcpmirror.cloud.service import Service
from tcpmirror.cloud.tls import server_context
from tcpmirror.cloud.tokens import create_token
from tcpmirror.console.application import create_console
from tcpmirror.errors import EXIT_BUG, EXIT_OK, EXIT_USAGE, EnvironmentFault, TcpmirrorError
from tcpmirror.model.source_kind import SOURCE_KINDS
from tcpmirror.settings.tree import SourceList
from tcpmirror.settings.units import parse_size

_LISTEN: Final = "127.0.0.1:8088"
_DATABASE_VARIABLE: Final = "TCPMIRROR_CLOUD_DATABASE"
_QUEUE_TOKEN_VARIABLE: Final = "TCPMIRROR_QUEUE_TOKEN"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit codes are those of `tcpmirror.errors`."""
    wanted = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        return int(wanted.do(wanted))
    except TcpmirrorError as error:
        print(f"tcpmirror-cloud: {error}", file=sys.stderr)
        return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tcpmirror-cloud", description="Receive findings of sensors and show them.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="serve until stopped")
    run.set_defaults(do=_run)
    ingest = commands.add_parser("ingest", help="store what sensors give to a queue, until stopped")
    ingest.set_defaults(do=_ingest)
    ingest.add_argument("--queue", required=True, metavar="URL", help="nats://HOST:PORT or tls://HOST:PORT of a JetStream")
    ingest.add_argument(
        "--queue-size",
        default="10GiB",
        metavar="SIZE",
        help="of a stream that is made; a full one takes no more (default: %(default)s)",
    )
    ingest.add_argument("--queue-ca", default="", metavar="FILE", help="PEM file of the authority to trust")
    for command in (run, ingest):
        _add_store(command)
    run.add_argument("--listen", default=_LISTEN, metavar="ADDRESS:PORT", help="default: %(default)s")
    run.add_argument("--title", default="tcpmirror", help="what the console calls itself")
    run.add_argument("--keep-days", type=int, default=180, metavar="DAYS", help="older reports go; 0: none (default: 180)")
    run.add_argument(
        "--keep-size", default="0", metavar="SIZE", help="the oldest go where the store is larger, as 20GiB; 0: no limit"
    )
    run.add_argument("--allow-remote", action="store_true", help="listen beyond loopback although there is no TLS")
    run.add_argument("--tls-certificate", default="", metavar="FILE", help="PEM file with a certificate and its chain")
    run.add_argument("--tls-key", default="", metavar="FILE", help="PEM file with its private key, if not in the same file")
    return parser


def _add_store(command: argparse.ArgumentParser) -> None:
    """Add what concerns the store and how batches are put into it."""
    command.add_argument(
        "--database",
        default=os.environ.get(_DATABASE_VARIABLE),
        required=_DATABASE_VARIABLE not in os.environ,
        metavar="FILE|URL",
        help="SQLite file, made if it is not there, or postgresql://USER:PASSWORD@HOST/DATABASE "
        f"(or in the environment as {_DATABASE_VARIABLE}, where other users do not see it)",
    )
    command.add_argument(
        "--source-database",
        action="append",
        default=[],
        metavar="FILE",
        help="MMDB file that tells country, network or kind of a source; may be given more than once",
    )
    command.add_argument(
        "--source-list",
        action="append",
        default=[],
        type=_source_list,
        metavar="KIND=FILE|URL",
        help=f"addresses and networks, one a line, whose sources are of this kind ({', '.join(SOURCE_KINDS)})",
    )
    command.add_argument(
        "--sampling",
        default="automatic",
        choices=MODES,
        help="which hits are counted without being kept (default: automatic)",
    )


def _ingest(wanted: argparse.Namespace) -> int:
    try:
        queue_intake = importlib.import_module("tcpmirror.cloud.queue_intake")
    except ImportError as error:
        raise EnvironmentFault(f"--queue: {error}; it needs `pip install tcpmirror[cloud]`") from error
    size = parse_size(wanted.queue_size)
    if not size or not wanted.queue.startswith(("nats://", "tls://")):
        given = f"--queue {wanted.queue} --queue-size {wanted.queue_size}"
        raise EnvironmentFault(f"{given}: accepted: nats://HOST:PORT or tls://HOST:PORT, and a size as 10GiB")
    stopping = _stop_by_signal()
    database = open_database(wanted.database)
    book = SourceBook(wanted.source_database, wanted.source_list)
    service = Service(database, book=book, sampler=Sampler(wanted.sampling))
    token = os.environ.get(_QUEUE_TOKEN_VARIABLE, "")
    tls = ssl.create_default_context(cafile=wanted.queue_ca or None) if wanted.queue.startswith("tls:") else None
    settle_collector()
    queue_intake.QueueIntake(service, wanted.queue, token, stopping.is_set, size, tls).run()
    database.close()
    return EXIT_OK


def _stop_by_signal() -> threading.Event:
    """Return what SIGTERM and SIGINT set."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda signum, frame: stopping.set())
    return stopping


def _run(wanted: argparse.Namespace) -> int:
    listen = wanted.listen
    if not wanted.allow_remote and not wanted.tls_certificate and not is_loopback(listen, "--listen"):
        print(
            f"tcpmirror-cloud: --listen {listen}: passwords and findings would cross the network in the clear; "
            "give a --tls-certificate, listen on loopback behind a proxy with TLS, or say --allow-remote",
            file=sys.stderr,
        )
        return EXIT_USAGE
    tls = server_context(wanted.tls_certificate, wanted.tls_key, "--tls-certificate") if wanted.tls_certificate else None
    retention = _retention(wanted)
    stopping = _stop_by_signal()
    listener = bind(listen, "--listen")
    database = open_database(wanted.database)
    service = Service(
        database,
        retention=retention,
        book=SourceBook(wanted.source_database, wanted.source_list),
        sampler=Sampler(wanted.sampling),
    )
    _first_access(service)
    host, port = listener.getsockname()[:2]
    print(f"console: {'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}/", flush=True)
    application = create_console(service, wanted.title)
    settle_collector()
    started = serve(application, listener, lambda: not stopping.is_set(), tls)
    database.close()
    return EXIT_OK if started else EXIT_BUG


def _retention(wanted: argparse.Namespace) -> Retention:
    size = parse_size(wanted.keep_size)
    if size is None or not 0 <= wanted.keep_days <= 36_500:
        given = f"--keep-days {wanted.keep_days} --keep-size {wanted.keep_size}"
        raise EnvironmentFault(f"{given}: accepted: 0 to 36500 days, and a size as 500MiB, 20GiB or 0")
    return Retention(wanted.keep_days * DAY_NS, size)


def _source_list(text: str) -> SourceList:
    kind, _, origin = text.partition("=")
    if kind not in SOURCE_KINDS or not origin:
        raise argparse.ArgumentTypeError(f"{text!r}: accepted: KIND=FILE or KIND=URL, KIND one of {', '.join(SOURCE_KINDS)}")
    return SourceList(kind, origin)


def _first_access(service: Service) -> None:
    password = secrets.token_urlsafe(15)
    if ensure_first_account(service.database, password, time.time_ns()):
        token = create_token(service.database, "first deploy token", Role.DEPLOY, time.time_ns())
        print("This is shown once:", f"  console user: admin  password: {password}", f"  deploy token: {token}", sep="\n")
