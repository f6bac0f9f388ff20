"""The kinds of weaknesses and vulnerabilities that traffic shows, with what to tell people of each.

``type`` is the field's code. ``needed``: so many different marks (see `weakness`) make one: what a single exchange cannot
prove waits for more. Where ``of_host``, one record stands for a whole host, else for an endpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tcpmirror.model.attack import ATTACK_TYPES

SEVERITIES: Final = ("low", "medium", "high", "critical")


@dataclass(frozen=True, slots=True)
class Kind:
    type: str
    title: str
    severity: str
    cwe: tuple[int, ...]
    risk: str
    remediation: str
    needed: int = 1
    of_host: bool = False


_GRAVEST: Final = ("rce", "sqli", "xxe", "ssti")
_EXPLOITED: Final = "An attack of this type was sent and the response shows that it worked."
KINDS: Final[dict[str, Kind]] = {
    "weak-token": Kind(
        "weak_auth", "Tokens that anyone can make are accepted", "high", (347, 1270),
        "Whoever writes such a token is any user they like.",
        "Refuse tokens without a signature, fix the algorithm on the server, and sign with a random secret of 256 bits.",
    ),
    "secret-in-url": Kind(
        "infoleak", "A secret in an address", "medium", (598,),
        "Addresses are kept in logs, in histories and in Referer headers, and the secret with them.",
        "Send secrets in a header or a body; withdraw the ones that were sent so far.",
    ),
    "pii-in-url": Kind(
        "infoleak", "Personal data in an address", "low", (598, 359),
        "Addresses are kept in logs, in histories and in Referer headers, and the data with them.",
        "Send personal data in a body, or refer to it by an id.",
    ),
    "error-disclosed": Kind(
        "infoleak", "Inner workings in an answer", "medium", (209, 215),
        "Stack traces, database errors and debug pages tell an attacker what to try next.",
        "Answer errors with a message of your own and keep the details in the log.",
    ),
    "data-disclosed": Kind(
        "infoleak", "Credentials or settings in an answer", "high", (200, 538),
        "Whoever asks gets keys, passwords or files of the system.",
        "Take the data out of the answer and replace the credentials.",
    ),
    "directory-listing": Kind(
        "infoleak", "A directory is listed", "low", (548,),
        "Files that no page links to are found.",
        "Switch listings off in the server's settings.",
    ),
    "exposed-file": Kind(
        "infoleak", "A file that is no page can be fetched", "high", (538, 530),
        "Repositories, settings, backups and dumps hold source code and credentials.",
        "Keep such files out of what the server publishes, and replace the credentials in them.",
    ),
    "version-disclosed": Kind(
        "infoleak", "A server tells its version", "low", (200,),
        "Known faults of exactly this version can be tried.",
        "Have the server leave its version out of the headers.", of_host=True,
    ),
    "vulnerable-component": Kind(
        "vuln_component", "A component with known vulnerabilities", "high", (1104, 937),
        "Exploits for this version are public.",
        "Update it; the record names the first version without the fault. Distributions mend without a new number: check.",
        of_host=True,
    ),
    "cookie-flags": Kind(
        "weak_auth", "A session cookie without protection", "low", (1004, 614, 1275),
        "Without HttpOnly scripts read it, without Secure it goes unencrypted, without SameSite others have it sent.",
        "Set HttpOnly, Secure and SameSite on cookies that stand for a session.", of_host=True,
    ),
    "cors-any-origin": Kind(
        "infoleak", "Any site may read answers with the visitor's credentials", "medium", (942,),
        "A page of an attacker reads what the visitor may read.",
        "Compare the Origin header with a list of sites and answer others without CORS headers.", needed=3, of_host=True,
    ),
    "csrf": Kind(
        "csrf", "A change that another site can have a visitor's browser make", "medium", (352,),
        "A form on a page of an attacker changes data in the visitor's name.",
        "Ask for a token that other sites do not know, check Origin, and set SameSite on the session cookie.", needed=2,
    ),
    "missing-authentication": Kind(
        "auth", "An endpoint does not ask who calls", "high", (306, 288),
        "Anybody reads private data or changes it; the endpoints beside it refuse callers without credentials.",
        "Ask for the same credentials as the endpoints beside it, by default and not endpoint by endpoint.", needed=2,
    ),
    "idor": Kind(
        "idor", "Objects of one user are given to others", "high", (639,),
        "Whoever counts up the id gets the personal data of everyone.",
        "Compare the owner of the object with the caller before answering.", needed=3,
    ),
    **{
        f"exploited-{code}": Kind(
            code, f"{name}: an attack worked", "critical" if code in _GRAVEST else "high", cwe, _EXPLOITED,
            "Mend the code that handles the parameter; look for what the attackers took, and replace it.",
        )
        for code, (_, name, cwe) in ATTACK_TYPES.items()
        if code in ("sqli", "nosqli", "rce", "ssti", "ldapi", "ssrf", "ptrav", "xxe", "xss", "redir", "crlf", "ssi")
    },
}  # fmt: skip
TYPES: Final = tuple(sorted({kind.type for kind in KINDS.values()}))
