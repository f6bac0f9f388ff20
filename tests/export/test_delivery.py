from __future__ import annotations

import socket

import httpx
import pytest

from tcpmirror.export.delivery import REASONS, BackOff, reason_of, reason_of_status


def test_back_off_doubles_to_its_limit_and_starts_again_after_success() -> None:
    back_off = BackOff(first_s=0.5, limit_s=60.0)
    waits = [back_off.next_s() for _ in range(40)]
    for number, wait_s in enumerate(waits):
        full_s = min(60.0, 0.5 * 2**number)
        assert full_s / 2 <= wait_s <= full_s
    assert back_off.next_s(retry_after_s=300.0) == 300.0
    back_off.reset()
    assert back_off.next_s() <= 0.5


def caused(error: Exception, cause: Exception) -> Exception:
    """Return *error* as if it had been raised from another that was raised from *cause*."""
    middle = RuntimeError("between the two")
    middle.__cause__ = cause
    error.__cause__ = middle
    return error


EXCEPTIONS = {
    "a name that nobody knows": (caused(httpx.ConnectError("x"), socket.gaierror(-2, "unknown")), "dns"),
    "refused": (ConnectionRefusedError(), "connect"),
    "reset": (ConnectionResetError(), "broken"),
    "no road": (caused(httpx.ConnectError("x"), OSError(113, "no route")), "connect"),
    "silence": (httpx.ReadTimeout("x"), "timeout"),
    "silence of a socket": (TimeoutError(), "timeout"),
    "nobody takes the call": (httpx.ConnectTimeout("x"), "connect"),
    "a proxy": (httpx.ProxyError("407"), "proxy"),
    "something else": (UnicodeError("x"), "answer"),
}


@pytest.mark.parametrize(("error", "reason"), EXCEPTIONS.values(), ids=EXCEPTIONS.keys())
def test_an_exception_has_one_word(error: Exception, reason: str) -> None:
    assert reason_of(error) == reason


def test_every_status_has_a_word_of_the_list() -> None:
    words = {status: reason_of_status(status) for status in range(300, 600)}
    assert set(words.values()) <= set(REASONS)
    assert (words[401], words[429], words[502], words[302]) == ("unauthorized", "throttled", "server", "answer")
