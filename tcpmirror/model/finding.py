"""Finding: one attack or weakness seen, and the evidence for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SEVERITIES: Final = ("low", "medium", "high", "critical")
# Grades: the value breaks out of the data that it stands in, or it is code as a whole.
INJECTION: Final = "injection"
COMMAND: Final = "command"
GRADES: Final = (INJECTION, COMMAND)


@dataclass(frozen=True, slots=True)
class Finding:
    """One sign of an attack at one point.

    ``type`` is a key of ATTACK_TYPES; ``point`` the path of the value (see Point); ``payload`` the part of the decoded
    value that shows it, cut to 512 bytes, as latin-1 text (one character a byte); ``rule`` the id of what decided;
    ``confidence`` from 0.0 to 1.0; ``evidence``: the part of the response that shows that the attack worked, as latin-1 text
    cut to 512 bytes, empty: nothing shows it. ``grade``: INJECTION or COMMAND, empty where the type knows no difference;
    ``severity``: one of SEVERITIES, empty where nobody judged it.
    """

    type: str
    point: tuple[str, ...]
    payload: str
    rule: str
    confidence: float
    evidence: str = ""
    grade: str = ""
    severity: str = ""
