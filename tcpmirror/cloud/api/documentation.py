"""The API's own page, `/api/docs`: Swagger UI from files of this installation, nothing from elsewhere."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, Response

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>API reference</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/api/docs/swagger-ui.css">
</head>
<body>
<div id="reference"></div>
<script src="/api/docs/swagger-ui-bundle.js"></script>
<script src="/api/docs/start.js"></script>
</body>
</html>
"""
_START: Final = """SwaggerUIBundle({url: "/api/openapi.json", dom_id: "#reference", deepLinking: true, validatorUrl: null});
"""
_DAY: Final = {"Cache-Control": "public, max-age=86400"}

router = APIRouter(prefix="/api/docs", include_in_schema=False)


@router.get("")
def page() -> HTMLResponse:
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY})


@router.get("/start.js")
def start() -> Response:
    return Response(_START, media_type="text/javascript", headers=_DAY)


@router.get("/swagger-ui-bundle.js")
def script() -> FileResponse:
    return FileResponse(_asset("swagger-ui-bundle.js"), media_type="text/javascript", headers=_DAY)


@router.get("/swagger-ui.css")
def style() -> FileResponse:
    return FileResponse(_asset("swagger-ui.css"), media_type="text/css", headers=_DAY)


def _asset(name: str) -> str:
    # The package is installed for these two files; FastAPI's own page would load them from a content network.
    return str(files("fastapi_offline") / "static" / name)
