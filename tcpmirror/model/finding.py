"""Finding: one attack or weakness seen, and the evidence for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One sign of an attack at one point.

    ``type`` is a key of ATTACK_TYPES; ``point`` the path of the value (see Point); ``payload`` the part of the decoded
    value that shows it, cut to 512 bytes, as latin-1 text (one character a byte); ``rule`` the id of what decided;
    ``confidence`` from 0.0 to 1.0; ``evidence``: the part of the response that shows that the attack worked, as latin-1 text
    cut to 512 bytes, empty: nothing shows it.
    """

    type: str
    point: tuple[str, ...]
    payload: str
    rule: str
    confidence: float
    evidence: str = ""
