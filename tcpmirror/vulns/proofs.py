"""The proof that a response holds for one finding: what makes an attack an incident."""

from __future__ import annotations

import html
from dataclasses import replace
from typing import Final

from tcpmirror.model.exchange import Exchange, Response
from tcpmirror.model.finding import Finding
from tcpmirror.vulns import databases, echoes, outputs
from tcpmirror.vulns.delays import Delays

LOOK: Final = 64 * 1024  # bytes of a response's body
PROOF_BYTES: Final = 512
_FILES: Final = frozenset({"ptrav", "xxe", "scanner", "rce", "ssrf", "ssti", "ssi", "sqli"})
_COMMANDS: Final = frozenset({"rce", "ssti", "ssi", "ptrav"})
_DELAYS: Final = frozenset({"rce", "sqli", "ssti", "nosqli"})


class Proofs:
    """Adds to findings what shows that they worked. It remembers how long answers took; not to be shared between threads."""

    def __init__(self) -> None:
        self._delays = Delays()

    def added(self, findings: list[Finding], exchange: Exchange, host: str) -> list[Finding]:
        """Return *findings*, each with its ``evidence`` where the response holds some. *host*: the one asked for."""
        request, response = exchange.request, exchange.response
        if request is None or response is None:
            return findings
        body = _text_of(response.body[:LOOK])
        path = request.target.partition(b"?")[0].decode("latin-1")
        took_s = None if exchange.duration_ns is None else exchange.duration_ns / 1e9
        told = []
        for finding in findings:
            payload = finding.payload.encode("latin-1", "replace")
            text = ""
            if payload and finding.type != "infoleak":
                proof = _shown(finding.type, payload, body) or _echoed(finding.type, payload, response, host)
                text = proof[:PROOF_BYTES].decode("latin-1")
                if finding.type in _DELAYS and took_s is not None:
                    waited = self._delays.proof((host, path, "/".join(finding.point)), payload, took_s)
                    text = text or waited
            told.append(replace(finding, evidence=text) if text else finding)
        return told


def _echoed(kind: str, payload: bytes, response: Response, host: str) -> bytes:
    """Return what of *payload* came back as what it is, or nothing."""
    if kind == "xss":
        return echoes.page_markup(payload, response)
    if kind == "crlf":
        return echoes.header(payload, response)
    return echoes.target(payload, response, host) if kind in ("redir", "ssrf") else b""


def _text_of(body: bytes) -> bytes:
    """Return *body* with the entities that pages write characters as undone."""
    return html.unescape(body.decode("latin-1")).encode("latin-1", "replace") if b"&" in body else body


def _shown(kind: str, payload: bytes, body: bytes) -> bytes:
    """Return what *body* shows of what a *payload* of this kind asks for, or nothing."""
    proof = b""
    if kind in _FILES:
        proof = outputs.shown(outputs.FILES, payload, body)
    if not proof and kind in _COMMANDS:
        proof = outputs.shown(outputs.COMMANDS, payload, body) or outputs.echoed(payload, body)
    if not proof and kind in ("ssti", "rce"):
        proof = outputs.calculated(payload, body)
    if not proof and kind == "ssrf":
        proof = outputs.shown(outputs.SERVICES, payload, body)
    if not proof and kind == "sqli":
        proof = databases.told(payload, body)
    return proof
