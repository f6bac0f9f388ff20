"""Attack types: the field's codes, with the bit values that log records of this class of product use."""

from __future__ import annotations

from typing import Final

# code -> (bit, name people read, CWE ids)
ATTACK_TYPES: Final[dict[str, tuple[int, str, tuple[int, ...]]]] = {
    "xss": (0x2, "Cross-site scripting", (79,)),
    "sqli": (0x4, "SQL injection", (89,)),
    "rce": (0x8, "Remote code execution", (78, 94)),
    "xxe": (0x10, "XML external entity", (611,)),
    "ptrav": (0x20, "Path traversal", (22,)),
    "crlf": (0x40, "CRLF injection", (93,)),
    "redir": (0x80, "Open redirect", (601,)),
    "nosqli": (0x100, "NoSQL injection", (943,)),
    "infoleak": (0x200, "Information exposure", (200, 209, 215, 538, 541, 548, 598)),
    "ldapi": (0x2000, "LDAP injection", (90,)),
    "scanner": (0x4000, "Resource scanning", ()),
    "mass_assignment": (0x20000, "Mass assignment", (915,)),
    "ssrf": (0x80000, "Server-side request forgery", (918,)),
    "ssi": (0x2000000, "Server-side include", (96, 97)),
    "mail_injection": (0x4000000, "Mail command injection", (20, 150, 88)),
    "ssti": (0x8000000, "Server-side template injection", (94, 159)),
    "invalid_xml": (0x10000000, "Unsafe XML header", ()),
    "overlimit_res": (0x20000000, "Resource overlimit", ()),
    "data_bomb": (0x40000000, "Data bomb", (409, 776)),
    "vpatch": (0x80000000, "Rule of the operator's", ()),
    "gql_depth": (1 << 39, "GraphQL nesting depth", (400, 674)),
    "gql_aliases": (1 << 41, "GraphQL alias flood", (400,)),
    "gql_docs_per_batch": (1 << 43, "GraphQL batch", (400,)),
    "gql_doc_size": (1 << 42, "GraphQL document too large", (400,)),
    "gql_value_size": (1 << 40, "GraphQL value too large", (400,)),
    "gql_debug": (1 << 45, "GraphQL debug mode", (489,)),
    "gql_introspection": (1 << 44, "GraphQL introspection", (200,)),
    "brute": (0x400, "Brute force", (307, 521, 799)),
    "dirbust": (0x800, "Forced browsing", (425,)),
    "bola": (0x10000, "Broken object level authorisation", (639,)),
    "api_abuse": (0x200000, "API abuse", (799,)),
    "multiple_payloads": (0x400000, "Many payloads of one source", ()),
    "credential_stuffing": (0x1000000, "Credential stuffing", (307,)),
    "account_takeover": (1 << 46, "Account takeover", (307,)),
    "security_crawlers": (1 << 47, "Security crawler", ()),
    "scraping": (1 << 48, "Scraping", ()),
    "file_upload_violation": (1 << 51, "File upload too large", (434, 770)),
    "resource_consumption": (1 << 52, "Unrestricted resource consumption", (770, 799)),
    "enum": (1 << 55, "Enumeration", (204,)),
    "request_smuggling": (1 << 54, "HTTP request smuggling", (444,)),
    "undefined_endpoint": (1 << 32, "Endpoint outside of the specification", ()),
    "undefined_parameter": (1 << 33, "Parameter outside of the specification", ()),
    "missing_auth": (1 << 34, "Authentication that the specification asks for is missing", ()),
    "missing_parameter": (1 << 35, "Parameter that the specification asks for is missing", ()),
    "invalid_parameter_value": (1 << 36, "Value that the specification does not allow", ()),
    "invalid_request": (1 << 37, "Body that the specification does not allow", ()),
    "processing_overlimit": (1 << 38, "Too large or slow to be compared with the specification", ()),
    "weak_auth": (1 << 53, "Weak authentication", (1270, 1294, 347)),
}

# What a request is called that differs from the specification of its API: no attack by itself.
SPECIFICATION_TYPES: Final = frozenset(
    {
        "undefined_endpoint",
        "undefined_parameter",
        "missing_auth",
        "missing_parameter",
        "invalid_parameter_value",
        "invalid_request",
        "processing_overlimit",
    }
)
# What a client is not to blame for: those, what an answer gives away, and tokens that the server makes so weak.
NO_ATTACK_TYPES: Final = SPECIFICATION_TYPES | {"infoleak", "weak_auth"}
