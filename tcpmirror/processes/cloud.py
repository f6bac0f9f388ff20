"""The main loop of the embedded cloud: the API and the console on one loopback address, over one store."""

from __future__ import annotations

import importlib
import logging
import time
from pathlib import Path

from fastapi import FastAPI

from tcpmirror.cloud.accounts import ensure_first_account
from tcpmirror.cloud.application import create_application
from tcpmirror.cloud.collector import settle_collector
from tcpmirror.cloud.database import open_database
from tcpmirror.cloud.enrichment.book import SourceBook
from tcpmirror.cloud.retention import DAY_NS, Retention
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.sampling import Sampler
from tcpmirror.cloud.server import bind, is_loopback, serve
from tcpmirror.cloud.service import Service
from tcpmirror.cloud.tls import server_context
from tcpmirror.cloud.tokens import ensure_token
from tcpmirror.errors import EXIT_BUG, EXIT_OK
from tcpmirror.processes.context import Context
from tcpmirror.settings.tree import Settings

_log = logging.getLogger(__name__)
_LISTEN_KEY = "cloud.listen_address"


def run(context: Context) -> int:
    """Serve until told to stop; EnvironmentFault if the store cannot be opened or the address not be taken."""
    context.give_up_privileges()
    context.install_signals()
    cloud = context.settings.cloud
    if not cloud.tls_certificate and not is_loopback(cloud.listen_address, _LISTEN_KEY):
        _log.warning("%s: %s is reached from other machines, and without TLS", _LISTEN_KEY, cloud.listen_address)
    tls = server_context(cloud.tls_certificate, cloud.tls_key, "cloud.tls_certificate") if cloud.tls_certificate else None
    listener = bind(cloud.listen_address, _LISTEN_KEY)
    database = open_database(database_address(context.settings))
    service = Service(
        database,
        context.counters,
        retention=Retention(cloud.keep_days * DAY_NS, cloud.keep_bytes),
        book=SourceBook(cloud.source_databases, cloud.source_lists),
        sampler=Sampler(cloud.sampling),
    )
    if context.admin_password:
        ensure_first_account(database, context.admin_password, time.time_ns())
    if context.deploy_token:
        ensure_token(database, context.deploy_token, "this sensor", Role.DEPLOY, time.time_ns())

    def turn() -> bool:
        context.beat()
        return not context.stopping

    application = _application(service, context.settings)
    settle_collector()
    started = serve(application, listener, turn, tls)
    database.close()
    return EXIT_OK if started else EXIT_BUG


def _application(service: Service, settings: Settings) -> FastAPI:
    """Return the API, and with it the console where there is to be one, whose framework is loaded there only."""
    if not settings.console.enabled:
        return create_application(service)
    console = importlib.import_module("tcpmirror.console.application")
    made: FastAPI = console.create_console(service, settings.console.title)
    return made


def database_address(settings: Settings) -> str:
    """Return where the embedded cloud keeps what it knows: a path, or an address of PostgreSQL."""
    return settings.cloud.database or str(Path(settings.supervisor.state_dir) / "cloud.db")
