"""The cipher suites whose records can be opened: what protects them, and the hash of their key schedule.

Numbers as IANA registers them (TLS Cipher Suites); RFC 8446 for TLS 1.3, RFC 5246, 5288, 5289, 5487, 6655, 7251, 7905 and
8442 for TLS 1.2. Suites of RC4, DES, Camellia, ARIA and SEED are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

GCM, CCM, CCM_8, CHACHA20, CBC = "gcm", "ccm", "ccm_8", "chacha20", "cbc"


@dataclass(frozen=True, slots=True)
class Suite:
    """``key_size`` in bytes; ``hash``: of the key schedule; ``mac``: of CBC records; both as hashlib names them."""

    kind: str
    key_size: int
    hash: str = "sha256"
    mac: str = ""


TLS13: Final = {
    0x1301: Suite(GCM, 16),
    0x1302: Suite(GCM, 32, "sha384"),
    0x1303: Suite(CHACHA20, 32),
    0x1304: Suite(CCM, 16),
    0x1305: Suite(CCM_8, 16),
}

_TLS12: Final = (
    (Suite(GCM, 16), "009c 009e 00a0 00a2 00a4 00a6 00a8 00aa 00ac c02b c02d c02f c031 d001"),
    (Suite(GCM, 32, "sha384"), "009d 009f 00a1 00a3 00a5 00a7 00a9 00ab 00ad c02c c02e c030 c032 d002"),
    (Suite(CCM, 16), "c09c c09e c0a4 c0a6 c0ac d005"),
    (Suite(CCM, 32), "c09d c09f c0a5 c0a7 c0ad"),
    (Suite(CCM_8, 16), "c0a0 c0a2 c0a8 c0aa c0ae d003"),
    (Suite(CCM_8, 32), "c0a1 c0a3 c0a9 c0ab c0af"),
    (Suite(CHACHA20, 32), "cca8 cca9 ccaa ccab ccac ccad ccae"),
    (Suite(CBC, 16, mac="sha1"), "002f 0030 0031 0032 0033 0034 008c 0090 0094 c004 c009 c00e c013 c018 c035"),
    (Suite(CBC, 32, mac="sha1"), "0035 0036 0037 0038 0039 003a 008d 0091 0095 c005 c00a c00f c014 c019 c036"),
    (Suite(CBC, 16, mac="sha256"), "003c 003e 003f 0040 0067 006c 00ae 00b2 00b6 c023 c025 c027 c029 c037"),
    (Suite(CBC, 32, mac="sha256"), "003d 0068 0069 006a 006b 006d"),
    (Suite(CBC, 32, "sha384", "sha384"), "00af 00b3 00b7 c024 c026 c028 c02a c038"),
)
TLS12: Final = {int(number, 16): suite for suite, numbers in _TLS12 for number in numbers.split()}
