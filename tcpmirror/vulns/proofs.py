"""The proof that a response holds for one finding: what makes an attack an incident."""

from __future__ import annotations

import html
from dataclasses import replace
from typing import Final

from tcpmirror.model.exchange import Exchange
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
        if exchange.request is None or exchange.response is None:
            return findings
        return [self._with_proof(finding, exchange, host) for finding in findings]

    def _with_proof(self, finding: Finding, exchange: Exchange, host: str) -> Finding:
        response, payload = exchange.response, finding.payload.encode("latin-1", "replace")
        if response is None or not payload or finding.type == "infoleak":
            return finding
        proof = _shown(finding.type, payload, _text_of(response.body[:LOOK]))
        if not proof and finding.type == "xss":
            proof = echoes.page_markup(payload, response)
        elif not proof and finding.type == "crlf":
            proof = echoes.header(payload, response)
        elif not proof and finding.type in ("redir", "ssrf"):
            proof = echoes.target(payload, response, host)
        text = proof[:PROOF_BYTES].decode("latin-1")
        if finding.type in _DELAYS and exchange.request is not None and exchange.duration_ns is not None:
            path = exchange.request.target.partition(b"?")[0].decode("latin-1")
            waited = self._delays.proof((host, path, "/".join(finding.point)), payload, exchange.duration_ns / 1e9)
            text = text or waited
        return replace(finding, evidence=text) if text else finding


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
