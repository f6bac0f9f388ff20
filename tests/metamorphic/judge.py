"""Whether what was found in a part of a capture is right as far as it goes."""

from __future__ import annotations

from tests.metamorphic.talk import Line


def never_wrong(found: list[Line], truth: list[Line]) -> None:
    """AssertionError unless each exchange found is one of *truth*, or says that something is missing and agrees in what it has.

    A request without its response, or a response without its request, is no wrong pair.
    """
    for line in found:
        assert line in truth or any(_agrees(line, whole) for whole in truth), line


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
