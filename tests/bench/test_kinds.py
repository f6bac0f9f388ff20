"""The bench's requests are what a strict parser calls HTTP, as many as asked for, with the attacks that are announced."""

from __future__ import annotations

from collections import Counter

import h11
import pytest

from bench.client import Request
from bench.kinds import ATTACKS, KINDS, PAGES, found_in_mixed, found_in_small, mixed, pages, small


def body_of(request: Request) -> bytes:
    """Return the body; AssertionError unless *request* is one whole message."""
    server = h11.Connection(h11.SERVER)
    server.receive_data(request.data)
    assert isinstance(server.next_event(), h11.Request)
    body = b""
    while not isinstance(event := server.next_event(), h11.EndOfMessage):
        assert isinstance(event, h11.Data)
        body += event.data
    assert server.trailing_data == (b"", False)
    return body


@pytest.mark.parametrize("name", KINDS)
def test_every_request_is_valid_and_whole(name: str) -> None:
    for number in range(0, 2000, 7):
        body_of(KINDS[name].request(number))


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("exchanges", [1, 99, 100, 1000, 1001])
def test_connections_hold_every_request_once_in_order(name: str, exchanges: int) -> None:
    kind = KINDS[name]
    cut = [list(batch) for batch in kind.batches(exchanges)]
    assert [each for batch in cut for each in batch] == [kind.request(number) for number in range(exchanges)]
    assert max(map(len, cut)) <= kind.connection_requests


@pytest.mark.parametrize("exchanges", [1, 100, 999, 1000, 1234, 5000])
def test_announced_attacks_are_those_among_the_requests(exchanges: int) -> None:
    def counted(request_of: object) -> dict[str, int]:
        assert callable(request_of)
        targets = [request_of(number).data.split(b" ")[1] for number in range(exchanges)]
        return dict(Counter(name for target in targets for name, attack in ATTACKS.items() if target == attack))

    assert found_in_mixed(exchanges) == counted(mixed)
    assert found_in_small(exchanges) == counted(small)


def test_documents_of_kind_d_are_of_1_to_20_kilobytes_and_pages_of_20_to_100() -> None:
    sizes = [len(body_of(KINDS["d"].request(number))) for number in range(64)]
    assert min(sizes) < 1_700
    assert 19_000 < max(sizes) < 21_500
    files = [len(contents) for contents in pages().values()]
    assert len(files) == PAGES
    assert min(files) < 21_000
    assert 99_000 < max(files) < 102_000
