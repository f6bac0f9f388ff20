"""Whether what was found in a part of a capture is right as far as it goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from tcpmirror.model.exchange import Exchange
from tests.metamorphic.talk import Frame, Line, exchanges_of, lines_of

NO_BODY = (204, 304)  # RFC 9112, section 6.3


def never_wrong(found: list[Line], truth: list[Line]) -> None:
    """AssertionError unless each exchange found is one of *truth*, or says that something is missing and agrees in what it has.

    None may be found more often than it is there. A request without its response and a response without its request are no
    wrong pair, and may both come of one exchange.
    """
    rest = Counter(truth)
    parts = list((Counter(found) - rest).elements())
    rest -= Counter(found)
    whole = list(rest.elements())
    pairs = [line for line in parts if line.method and line.status >= 0]
    taken = _matched(pairs, whole)
    left = [line for number, line in enumerate(whole) if number not in taken]
    _matched([line for line in parts if line.status < 0], left)
    _matched([line for line in parts if not line.method], left)


def prefixes_hold(frames: list[Frame], link_type: int = 1) -> None:
    """AssertionError if a capture that ends after any of its packets tells what the whole contradicts, or less than it has seen.

    What it has seen whole it must tell as the whole does; only a body that the end of the connection ends may wait for that. The
    packets must be in the order of the streams, and messages framed as they should be.
    """
    exchanges = exchanges_of(frames, link_type)
    truth = sorted(map(Line.of, exchanges))
    for end in range(len(frames) + 1):
        found = lines_of(frames[:end], link_type)
        never_wrong(found, truth)
        until_ns = frames[end][0] if end < len(frames) else 1 << 63
        due = Counter(Line.of(exchange) for exchange in exchanges if _ended_before(exchange, until_ns))
        missing = due - Counter(found)
        assert not missing, (end, missing)


def _ended_before(exchange: Exchange, until_ns: int) -> bool:
    """Whether the last byte of *exchange* was seen before *until_ns*, and its end could be told by that byte."""
    asked, answered = exchange.request, exchange.response
    if asked is None or answered is None or Line.of(exchange).gap:
        return False
    head = answered.head.lower()
    is_framed = (
        asked.version.startswith(b"HTTP/2")
        or asked.method == b"HEAD"
        or answered.status in NO_BODY
        or b"\ncontent-length:" in head
        or b"chunked" in head
    )
    return is_framed and max(asked.end_ns, answered.end_ns) < until_ns


def _matched(parts: list[Line], truth: list[Line]) -> set[int]:
    """Return which of *truth* the *parts* are parts of, each of its own (Kuhn, 1955); AssertionError if there are not enough."""
    part_of: dict[int, int] = {}

    def place(part: int, tried: set[int]) -> bool:
        for number in _agreeing(parts[part], truth, tried.__contains__):
            tried.add(number)
            if number not in part_of or place(part_of[number], tried):
                part_of[number] = part
                return True
        return False

    for part, line in enumerate(parts):
        assert place(part, set()), line
    return set(part_of)


def _agreeing(part: Line, truth: list[Line], is_left_out: Callable[[int], bool]) -> Iterator[int]:
    return (number for number, whole in enumerate(truth) if not is_left_out(number) and _agrees(part, whole))


def _agrees(part: Line, whole: Line) -> bool:
    if part.client != whole.client:
        return False
    if part.method and (part.method, part.target) != (whole.method, whole.target):
        return False
    if part.status >= 0 and part.status != whole.status:
        return False
    if not part.gap and part.status >= 0:
        return (part.asked, part.answered) == (whole.asked, whole.answered)
    return True
