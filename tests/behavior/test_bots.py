"""Bots are told by the votes of many detectors; people, apps behind one address, clients with a token and pollers are not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.behavior.bots import CONFIDENCE, told
from tcpmirror.behavior.controls import BUILT_IN
from tcpmirror.behavior.counter import Counter, CounterKey, merged
from tcpmirror.behavior.record import decode_rows, encode_rows, records
from tcpmirror.behavior.traits import Traits, unpacked
from tcpmirror.behavior.watch import Watch
from tcpmirror.model.exchange import Exchange
from tests.behavior.exchanges import exchange

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36"
PYTHON = "python-requests/2.31"
STYLES = 8  # files that a page loads by itself


def person(draw: Random) -> Iterable[Exchange]:
    """Yield a person's hour in a shop: pages read at a person's pace, each with its styles."""
    at_s, headers = 0.0, {"User_Agent": CHROME, "Referer": "http://shop.example/", "Cookie": "sessionid=abcdef123456"}
    for _ in range(40):
        at_s += draw.lognormvariate(3, 1)
        yield exchange(f"/p/{draw.randrange(60)}", at_s=at_s, media="text/html", Accept_Language="en", **headers)
        for number in range(STYLES):
            yield exchange(f"/s/{number}.css", at_s=at_s + number / 10, media="text/css", **headers)


def apps(draw: Random) -> Iterable[Exchange]:
    """Yield what sixty telephones behind one address ask for, each with its token."""
    for number in range(60):
        for _ in range(40):
            yield exchange(
                f"/api/feed/{draw.randrange(30)}",
                at_s=draw.uniform(0, 3000),
                client="203.0.113.4",
                User_Agent="okhttp/4.12",
                Authorization=f"Bearer tok{number:08d}",
            )


def scraper(gap_s: float, count: int, agent: str, address: Callable[[int], str]) -> Iterable[Exchange]:
    for number in range(count):
        at_s = number * gap_s
        yield exchange(f"/item/{number}", at_s=at_s, client=address(number), media="text/html", User_Agent=agent)


def rotating(number: int) -> str:
    return f"198.51.100.{number % 120}"


def stuffing() -> Iterable[Exchange]:
    for number in range(300):
        body = b'{"username":"u%d","password":"p%d"}' % (number, number)
        yield exchange("/login", "POST", body, 401, number * 3.0, rotating(number), User_Agent=CHROME)


def crawler() -> Iterable[Exchange]:
    for number in range(360):
        path = f"/{'abcdefghij'[number % 10]}{'klmnop'[number // 10 % 6]}/x{'qrstuv'[number // 60 % 6]}"
        yield exchange(path, status=404, at_s=number * 0.2, User_Agent="Nikto/2.5")


HONEST = {
    "a person": person,
    "a probe of health": lambda draw: (exchange("/health", at_s=5 * at, User_Agent="kube-probe/1.29") for at in range(700)),
    "a client with a token": lambda draw: (
        exchange(f"/orders/{at}", at_s=0.3 * at, User_Agent=PYTHON, Authorization="Bearer abcdefabcdef")
        for at in range(2000)
    ),
    "a poller": lambda draw: (exchange("/rates?base=EUR", at_s=10 * at, User_Agent=PYTHON) for at in range(300)),
    "apps behind one address": apps,
}
BOTS: dict[str, tuple[Callable[[], Iterable[Exchange]], set[tuple[str, str]]]] = {
    "a scraper": (
        lambda: scraper(1.0, 400, PYTHON, lambda number: "192.0.2.7"),
        {("address", "scraping")},
    ),
    "a slow one from many addresses": (lambda: scraper(20, 170, PYTHON, rotating), {("client", "scraping")}),
    "the same, disguised": (lambda: scraper(20, 170, CHROME, rotating), {("client", "scraping")}),
    "stuffed credentials from many addresses": (stuffing, {("client", "account_takeover")}),
    "a security crawler": (crawler, {("address", "security_crawlers")}),
}


def profiles(exchanges: Iterable[Exchange], workers: int) -> dict[CounterKey, Counter]:
    """Return the profiles that *workers* make of *exchanges* between them, merged from their records."""
    watches = [Watch(BUILT_IN, 0, confidence=CONFIDENCE) for _ in range(workers)]
    for number, each in enumerate(sorted(exchanges, key=lambda each: each.request.time_ns)):
        watches[number * 7 % workers].observe(each, [])
    counters = [
        counter
        for watch in watches
        for rows in records((counter for counter, _ in watch.take()), 1 << 18)
        for counter in decode_rows(encode_rows("id", rows))[1]
    ]
    return {key: counter for key, counter in merged(counters).items() if key.unit == "profile"}


def kinds(found: dict[CounterKey, Counter]) -> dict[tuple[str, str], tuple[int, int]]:
    """Return the votes cast and possible, by whom it is and as what."""
    return {
        (key.point[0], judged.verdict.type): (len(judged.verdict.fired), len(judged.verdict.votes))
        for key, counter in found.items()
        if (judged := told(counter, found.get)) is not None
    }


@pytest.mark.parametrize("made", HONEST.values(), ids=HONEST)
def test_who_is_no_bot_is_not_told_of(made: Callable[[Random], Iterable[Exchange]]) -> None:
    assert kinds(profiles(made(Random(7)), 1)) == {}


@pytest.mark.parametrize(("made", "expected"), BOTS.values(), ids=BOTS)
def test_bots_are_told_of_whichever_worker_saw_what(
    made: Callable[[], Iterable[Exchange]], expected: set[tuple[str, str]]
) -> None:
    one, eight = (kinds(profiles(made(), workers)) for workers in (1, 8))
    assert one == eight
    assert expected == one.keys()


def test_the_first_requests_are_not_marked() -> None:
    found = profiles(scraper(1.0, 400, PYTHON, lambda number: "192.0.2.7"), 1)
    key = next(key for key in found if key.point == ("address",))
    judged = told(found[key], found.get)
    assert judged is not None
    verdict = judged.verdict
    assert 0 < sum(slot.count for slot in judged.marked.slots.values()) <= 370
    assert verdict.text.startswith(f"{len(verdict.fired)} of {len(verdict.votes)} votes: many_documents")
    assert verdict.confidence == pytest.approx(len(verdict.fired) / len(verdict.votes))
    assert {vote.detector for vote in verdict.fired} >= {"bad_agent", "many_documents", "request_interval"}


def traits_of(values: list[tuple[str, int]]) -> Traits:
    """Return the traits of requests of one sort each."""
    watch = Watch((), 0, confidence=CONFIDENCE)
    for path, at_s in values:
        watch.observe(exchange(f"/{path}?q={path}", at_s=at_s), [])
    whole = Traits()
    for counter, _ in watch.take():
        for slot in counter.slots.values():
            if counter.key.point == ("address",) and slot.traits is not None:
                whole.merge(slot.traits)
    return whole


some = st.lists(st.tuples(st.sampled_from([f"p{number}" for number in range(90)]), st.integers(0, 500)), max_size=80)


@given(some, some, some)
def test_traits_merge_in_any_order_and_travel(one: list, two: list, three: list) -> None:
    first, second, third = (traits_of(each) for each in (one, two, three))
    left, right = first.copy(), third.copy()
    left.merge(second)
    left.merge(third)
    right.merge(first)
    right.merge(second)
    assert left == right == traits_of([*one, *two, *three])
    assert unpacked(left.packed()) == left
    assert left.counts()["calls"] == len(one) + len(two) + len(three) == sum(left.beats())


@given(st.binary(max_size=60))
def test_what_is_no_traits_is_refused(data: bytes) -> None:
    try:
        made = unpacked(data)
    except ValueError:
        return
    assert unpacked(made.packed()) == made
