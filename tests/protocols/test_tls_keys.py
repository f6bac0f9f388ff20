"""Key schedules against the published traces."""

from __future__ import annotations

import pytest

from tcpmirror.protocols.tls_ciphers import Aead13
from tcpmirror.protocols.tls_keys import key_block, next_secret, traffic_keys
from tcpmirror.protocols.tls_suites import _TLS12, TLS12, TLS13

# RFC 8448, section 3: secret, key and IV of each direction and stage.
TRACE = {
    "client handshake": (
        "b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21",
        "dbfaa693d1762c5b666af5d950258d01",
        "5bd3c71b836e0b76bb73265f",
    ),
    "server handshake": (
        "b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38",
        "3fce516009c21727d0f2e4e86ee403bc",
        "5d313eb2671276ee13000b30",
    ),
    "client application": (
        "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5",
        "17422dda596ed5d9acd890e3c63f5051",
        "5b78923dee08579033e523d9",
    ),
    "server application": (
        "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643",
        "9f02283b6c9c07efc26bb9f2ac92e356",
        "cf782b88dd83549aadf1e984",
    ),
}
RECORD = bytes.fromhex(
    "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b62974e1f5a6292a29770"
    "14bd1e3deae63aeebb21694915e4"
)


@pytest.mark.parametrize(("secret", "key", "iv"), TRACE.values(), ids=TRACE.keys())
def test_traffic_keys_of_rfc_8448(secret: str, key: str, iv: str) -> None:
    assert traffic_keys(bytes.fromhex(secret), 16, "sha256") == (bytes.fromhex(key), bytes.fromhex(iv))


def test_the_client_s_record_of_rfc_8448() -> None:
    keys = traffic_keys(bytes.fromhex(TRACE["client application"][0]), 16, "sha256")
    assert Aead13(TLS13[0x1301], *keys).open(0, RECORD) == (23, bytes(range(50)))
    assert Aead13(TLS13[0x1301], *keys).open(1, RECORD) is None


def test_sizes() -> None:
    assert [len(next_secret(bytes(size), name)) for size, name in ((32, "sha256"), (48, "sha384"))] == [32, 48]
    assert len(key_block(bytes(48), bytes(32), bytes(32), 136, "sha384")) == 136


def test_no_suite_is_given_twice() -> None:
    assert len(TLS12) == sum(len(numbers.split()) for _, numbers in _TLS12) == 115
