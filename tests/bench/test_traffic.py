"""The bench's requests are what a strict parser calls HTTP, and as many as asked for."""

from __future__ import annotations

from collections import Counter

import h11
import pytest

from bench.traffic import ATTACK_EVERY, CONNECTION_REQUESTS, POST_EVERY, batches, request


def test_every_kind_of_request_is_valid_and_whole() -> None:
    methods: Counter[bytes] = Counter()
    for number in range(2 * ATTACK_EVERY):
        server = h11.Connection(h11.SERVER)
        server.receive_data(request(number).data)
        head = server.next_event()
        assert isinstance(head, h11.Request)
        methods[head.method] += 1
        while not isinstance(server.next_event(), h11.EndOfMessage):
            pass
        assert server.trailing_data == (b"", False)
    assert methods[b"POST"] == 2 * (ATTACK_EVERY // POST_EVERY - 1)  # each attack takes the place of one


@pytest.mark.parametrize("exchanges", [1, CONNECTION_REQUESTS, CONNECTION_REQUESTS + 1, 5 * CONNECTION_REQUESTS])
def test_batches_hold_every_request_once_and_no_connection_more_than_nginx_allows(exchanges: int) -> None:
    cut = batches(exchanges)
    assert [each for batch in cut for each in batch] == [request(number) for number in range(exchanges)]
    assert max(map(len, cut)) <= CONNECTION_REQUESTS
