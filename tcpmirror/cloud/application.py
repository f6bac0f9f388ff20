"""Puts the cloud's HTTP application together: API, its documentation, protection."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from tcpmirror.cloud.api import (
    access,
    apis,
    behavior,
    documentation,
    exports,
    ingestion,
    integrations,
    judgement,
    keeping,
    masks,
    node_settings,
    nodes,
    people,
    quarantine,
    queries,
    rules,
    sessions,
    sources,
    tables,
    vulnerabilities,
)
from tcpmirror.cloud.api.examples import add_examples
from tcpmirror.cloud.deliveries import Deliveries
from tcpmirror.cloud.housekeeping import Housekeeping
from tcpmirror.cloud.protection import Protection
from tcpmirror.cloud.service import Service

_log = logging.getLogger(__name__)
_ABOUT = """
Sensors register, send batches of reports and heartbeats; people and scripts read what was found.

Scripts send `Authorization: Bearer <token>`; the console's session cookie works as well. A token of the role `read` reads,
`analyst` also judges what was found, `admin` also manages access, nodes and rules; `deploy` only registers nodes.
**Text out of traffic is given as it was sent**, one character a byte: escape it before showing it anywhere.
"""


def create_application(service: Service) -> FastAPI:
    """Return the application over *service*; it serves the API and no pages."""
    intake = ingestion.Intake()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        housekeeping, deliveries = Housekeeping(service), Deliveries(service)
        yield
        await asyncio.to_thread(deliveries.close)
        await asyncio.to_thread(housekeeping.close)
        intake.close()

    app = FastAPI(
        title="tcpmirror cloud",
        version="1",
        description=_ABOUT,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.service = service
    app.state.intake = intake
    for router in (
        ingestion.router,
        apis.nodes,
        apis.router,
        behavior.nodes,
        sessions.nodes,
        sessions.router,
        vulnerabilities.nodes,
        vulnerabilities.router,
        nodes.router,
        tables.router,
        queries.router,
        exports.router,
        judgement.router,
        rules.router,
        masks.router,
        node_settings.router,
        sources.router,
        quarantine.router,
        access.router,
        people.router,
        keeping.router,
        integrations.router,
        documentation.router,
    ):
        app.include_router(router)
    for failure in (DBAPIError, PoolTimeoutError):
        app.add_exception_handler(failure, _store_failed)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign] # the documented way to add to the document
    app.add_middleware(Protection)
    return app


def _document(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        document = FastAPI.openapi(app)
        document["components"]["schemas"] |= ingestion.batch_schemas()
        add_examples(document)
    assert app.openapi_schema is not None, "FastAPI keeps the document it makes"
    return app.openapi_schema


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    # FastAPI's own answer repeats the input, which may be a password, or text that cannot be written as UTF-8.
    assert isinstance(error, RequestValidationError), "registered for this class alone"
    problems = [{"loc": problem["loc"], "msg": problem["msg"], "type": problem["type"]} for problem in error.errors()]
    return JSONResponse({"detail": problems}, 422)


def _store_failed(request: Request, error: Exception) -> JSONResponse:
    # A full disk, a lock held too long, a file gone bad: the caller keeps what it has and comes again.
    _log.error("the store failed: %s", getattr(error, "orig", error))
    return JSONResponse({"detail": "The store failed; try again later."}, 503, headers={"Retry-After": "5"})
