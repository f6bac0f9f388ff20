"""What an attack type is about: whom it hurts, how badly, and its places in OWASP's lists.

API Security Top 10 of 2023 and Top 10 of 2021; a web category follows from the weaknesses (CWE) that OWASP maps to it.
"""

from __future__ import annotations

from typing import Final

TARGETS: Final[dict[str, frozenset[str]]] = {
    "client": frozenset({"xss", "redir", "crlf", "csrf"}),
    "database": frozenset({"sqli", "nosqli", "ldapi"}),
}
RISKS: Final[dict[str, frozenset[str]]] = {
    "high": frozenset(
        {
            "sqli",
            "nosqli",
            "rce",
            "ssti",
            "ssi",
            "ldapi",
            "mail_injection",
            "ptrav",
            "ssrf",
            "xxe",
            "mass_assignment",
            "vpatch",
            "request_smuggling",
            "bola",
            "credential_stuffing",
            "account_takeover",
        }
    ),
    "low": frozenset(
        {
            "scanner",
            "invalid_xml",
            "overlimit_res",
            "processing_overlimit",
            "gql_introspection",
            "gql_debug",
            "gql_doc_size",
            "gql_value_size",
            "gql_depth",
            "gql_aliases",
            "gql_docs_per_batch",
            "dirbust",
            "security_crawlers",
        }
    ),
}
OWASP: Final[dict[str, tuple[str, frozenset[str]]]] = {
    "owasp_api1_2023": ("Broken object level authorization", frozenset({"bola", "enum", "idor"})),
    "owasp_api2_2023": (
        "Broken authentication",
        frozenset({"brute", "credential_stuffing", "account_takeover", "weak_auth", "missing_auth", "auth"}),
    ),
    "owasp_api3_2023": ("Broken object property level authorization", frozenset({"mass_assignment", "infoleak"})),
    "owasp_api4_2023": (
        "Unrestricted resource consumption",
        frozenset(
            {
                "data_bomb",
                "overlimit_res",
                "processing_overlimit",
                "resource_consumption",
                "file_upload_violation",
                "gql_depth",
                "gql_aliases",
                "gql_docs_per_batch",
                "gql_doc_size",
                "gql_value_size",
            }
        ),
    ),
    "owasp_api5_2023": ("Broken function level authorization", frozenset({"dirbust"})),
    "owasp_api6_2023": (
        "Unrestricted access to sensitive business flows",
        frozenset({"api_abuse", "scraping", "security_crawlers"}),
    ),
    "owasp_api7_2023": ("Server-side request forgery", frozenset({"ssrf"})),
    "owasp_api8_2023": (
        "Security misconfiguration",
        frozenset({"xxe", "invalid_xml", "crlf", "request_smuggling", "gql_introspection", "gql_debug"}),
    ),
    "owasp_api9_2023": ("Improper inventory management", frozenset({"undefined_endpoint"})),
    "owasp_a01_2021": ("Broken access control", frozenset({"ptrav", "redir", "infoleak", "bola", "dirbust", "csrf"})),
    "owasp_a03_2021": (
        "Injection",
        frozenset({"sqli", "nosqli", "rce", "ssti", "ssi", "ldapi", "mail_injection", "xss", "crlf"}),
    ),
    "owasp_a05_2021": ("Security misconfiguration", frozenset({"xxe"})),
    "owasp_a06_2021": ("Vulnerable and outdated components", frozenset({"vuln_component"})),
    "owasp_a07_2021": (
        "Identification and authentication failures",
        frozenset({"weak_auth", "brute", "credential_stuffing", "auth"}),
    ),
    "owasp_a08_2021": ("Software and data integrity failures", frozenset({"mass_assignment"})),
    "owasp_a10_2021": ("Server-side request forgery", frozenset({"ssrf"})),
}


def target_of(kind: str) -> str:
    """Return whom the attack type *kind* hurts: `client`, `database` or `server`."""
    return next((target for target, kinds in TARGETS.items() if kind in kinds), "server")


def risk_of(kind: str) -> str:
    """Return `high`, `medium` or `low`."""
    return next((risk for risk, kinds in RISKS.items() if kind in kinds), "medium")


def owasp_of(kind: str) -> tuple[str, ...]:
    """Return the codes of the OWASP categories that the attack type *kind* belongs to."""
    return tuple(code for code, (_, kinds) in OWASP.items() if kind in kinds)
