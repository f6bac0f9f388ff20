"""What is counted of exchanges, and what of it is too much."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpmirror.behavior.counter import merged
from tcpmirror.behavior.watch import CELLS, Watch
from tcpmirror.decode.normal import Normalizer
from tcpmirror.model.exchange import Exchange
from tcpmirror.model.finding import Finding
from tcpmirror.settings.tree import SECOND, Control
from tests.behavior.exchanges import NOON, above, counted, every, exchange, judged

PADDED = b"".join(b"k%d=%s&" % (number, b"x" * 90) for number in range(300)) + b"user=bob&passwd=guess-%d"
ROWS = b'{"rows": [' + b", ".join(b'{"k%d": "%s"}' % (number % 20, b"x" * 90) for number in range(300)) + b'], "login": %s}'
JSON, FORM = b'{"username": "bob", "password": "guess-%d"}', b"user=bob&passwd=guess-%d"
COMMON = frozenset({b"123456", b"qwerty"})


def logins(count: int, pause_s: float = 1.0, status: int = 401, body: bytes = JSON) -> Iterator[Exchange]:
    return every(pause_s, count, target="/login", method="POST", status=status, body=lambda number: body % number)


ATTACKS = {
    "passwords guessed, in JSON": (lambda: logins(40), "brute-passwords", 30),
    "passwords guessed, in a form": (lambda: logins(40, body=FORM), "brute-passwords", 30),
    "passwords guessed, behind 30 KB of other fields": (lambda: logins(40, body=PADDED), "brute-passwords", 30),
    "passwords guessed, every answer 200": (lambda: logins(90, 0.2, 200), "brute-any-answer", 60),
    "pages guessed": (
        lambda: every(0.2, 90, target=lambda n: f"/{'abcdefghij'[n % 10]}{n}", status=404),
        "forced-browsing",
        60,
    ),
    "users walked through": (lambda: every(0.1, 150, target=lambda n: f"/api/users/{n}"), "bola-identifiers", 50),
    "orders walked through in the query": (
        lambda: every(0.1, 150, target=lambda n: f"/order?id={n}&lang=en"),
        "bola-identifiers",
        50,
    ),
    "mail addresses tried": (
        lambda: every(0.5, 50, target="/reset", method="POST", body=lambda n: b'{"email":"a%d@b.example"}' % n),
        "enum-logins",
        20,
    ),
    "requests refused": (lambda: every(0.2, 60, target="/basic", status=401), "brute-refused", 30),
    "far too many requests": (lambda: every(0.001, 2500, target="/"), "rate-of-source", 500),
}


@pytest.mark.parametrize(("make", "control", "marked"), ATTACKS.values(), ids=ATTACKS)
def test_what_is_too_much_is_marked_from_the_threshold_on(make, control, marked) -> None:  # type: ignore[no-untyped-def]
    assert judged(make())[control].marked == marked


@pytest.mark.parametrize("is_searched", [False, True], ids=["not searched before", "searched before"])
def test_passwords_in_a_large_document_are_found(is_searched: bool) -> None:
    tries = list(logins(40, body=ROWS.replace(b"%s", JSON)))
    for each in tries:
        assert each.request is not None
        if is_searched:
            Normalizer().normal_form(each.request)
        assert (each.request.member_names is not None) == is_searched
    assert judged(tries)["brute-passwords"].marked == 30


CALM = {
    "one user, the same password": lambda: every(0.5, 80, target="/login", method="POST", body=JSON % 7),
    "a user who mistypes": lambda: logins(8),
    "logins of many over a day": lambda: every(
        60.0, 200, target="/login", method="POST", body=lambda n: b'{"username":"user-%d","password":"p-%d"}' % (n, n)
    ),
    "a gallery of pictures": lambda: every(0.05, 200, target=lambda n: f"/photo/{n}", media="image/jpeg"),
    "the parts of a page": lambda: every(0.01, 200, target=lambda n: f"/assets/app-{n}0000.js", media="text/javascript"),
    "a few dead links": lambda: every(1.0, 20, target=lambda n: f"/gone/{n}", status=404),
    "the same dead link": lambda: every(0.1, 200, target="/favicon.ico", status=404),
    "a list read page by page": lambda: every(0.1, 200, target=lambda n: f"/items?page={n}&limit=50"),
    "versions in paths": lambda: every(0.1, 200, target=lambda n: f"/v{n % 3}/status"),
    "an application of one user": lambda: every(0.05, 200, target=lambda n: f"/users/1000/orders/{n % 20}"),
}


@pytest.mark.parametrize("make", CALM.values(), ids=CALM)
def test_ordinary_use_is_not_marked(make) -> None:  # type: ignore[no-untyped-def]
    assert judged(make()) == {}


def test_breached_passwords_count_by_the_accounts_they_are_tried_on() -> None:
    def tries(password: bytes) -> Iterator[Exchange]:
        body = b'{"login":"user-%d","password":"' + password + b'"}'
        return every(5.0, 10, target="/signin", method="POST", status=401, body=lambda number: body % number)

    assert judged(tries(b"123456"), breached=COMMON)["stuffing-of-source"].marked == 7
    assert "stuffing-of-source" not in judged(tries(b"a rare one"), breached=COMMON)


def test_stuffing_by_many_sources_that_try_once_each() -> None:
    def tries() -> Iterator[Exchange]:
        return every(
            5.0,
            60,
            target="/signin",
            method="POST",
            client=lambda n: f"198.51.100.{n}",
            body=lambda n: b"login=user-%d&password=qwerty" % n,
        )

    found = judged(tries(), breached=COMMON)
    assert (set(found), found["stuffing-of-all"].marked) == ({"stuffing-of-all"}, 30)


def test_guesses_at_one_account_by_many_sources() -> None:
    found = judged(
        every(
            60.0,
            40,
            target="/login",
            method="POST",
            status=401,
            client=lambda n: f"198.51.100.{n}",
            body=lambda n: b"login=bob&password=guess-%d" % n,
        )
    )
    assert (set(found), found["guesses-at-account"].marked) == ({"guesses-at-account"}, 20)


def test_user_agents_that_change_under_one_session() -> None:
    watch = Watch((Control("a", "api_abuse", "agents", "session", window_ns=600 * SECOND, threshold=5),), 1)
    for number, each in enumerate(every(1.0, 9, User_Agent=lambda n: f"agent {n}")):
        watch.observe(each, [], b"session 0123456789abcdef" if number else None)
    found = merged(counter for counter, _ in watch.take()).values()
    assert [(counter.key.subject, counter.peak) for counter in found] == [("session 0123456789abcdef", 8)]


def test_pages_read_one_after_another_are_scraping_and_pictures_are_not() -> None:
    assert judged(every(0.2, 600, target=lambda n: f"/item/{n}", media="text/html"))["pages-of-session"].marked == 100
    assert "pages-of-session" not in judged(every(0.2, 600, target=lambda n: f"/item/{n}", media="image/png"))


def test_different_payloads_of_one_source() -> None:
    watch = Watch((Control("p", "multiple_payloads", "payloads", window_ns=3600 * SECOND, threshold=3),), 1)
    for number in range(6):
        finding = Finding("sqli", ("get", "q"), f"' or {number % 5}=1", "r", 0.9)
        watch.observe(exchange(at_s=number * 60), [finding])
    ((counter, _), *others) = watch.take()
    whole = merged([counter, *(each for each, _ in others)])
    (found,) = whole.values()
    judged_ = found.judged()
    assert judged_ is not None
    assert (judged_.peak, found.key.subject, found.key.host) == (5, "192.0.2.1", "")


PAYLOADS = {
    "type": Control("p", attacks=("xss",)),
    "status of the answer": Control("p", statuses=("403",)),
    "host": Control("p", host="*.other.example"),
    "path": Control("p", path="/elsewhere"),
    "application": Control("p", applications=(8,)),
    "network": Control("p", networks=("10.0.0.0/8",)),
}


@pytest.mark.parametrize("other", PAYLOADS.values(), ids=PAYLOADS)
def test_payloads_are_counted_where_all_conditions_hold(other: Control) -> None:
    def counted_payloads(control: Control) -> bool:
        watch = Watch((control,), 1, application_of=lambda host, path: 7)
        for number in range(6):
            watch.observe(exchange(at_s=number / 10), [Finding("sqli", ("get", "q"), f"{number}", "r", 0.9)])
        return any(counter.key.control == "p" and counter.peak == 6 for counter, _ in watch.take())

    same = Control("p", host="shop.*", statuses=("2xx",), attacks=("sqli",), applications=(7,), networks=("192.0.2.0/24",))
    assert counted_payloads(replace(same, type="multiple_payloads", count="payloads", threshold=3))
    assert not counted_payloads(replace(other, type="multiple_payloads", count="payloads", threshold=3))


def test_a_control_may_be_for_an_application() -> None:
    def told(number: int) -> set[str]:
        control = Control("c", "brute", "requests", applications=(number,))
        watch = Watch((control,), 1, application_of=lambda host, path: 3 if path.startswith("/shop") else 4)
        for each in every(0.1, 40, target="/shop/a"):
            watch.observe(each, [])
        return set(above(counter for counter, _ in watch.take()))

    assert (told(3), told(4)) == ({"c"}, set())


def test_names_and_values_of_parameters_both_have_to_match() -> None:
    control = Control("c", "enum", "values", parameters="~^ref$", values="~^A[0-9]+$", window_ns=60 * SECOND, threshold=10)
    assert "c" in judged(every(0.1, 20, target=lambda n: f"/t?ref=A{n}"), control)
    assert "c" not in judged(every(0.1, 20, target=lambda n: f"/t?ref=B{n}"), control)
    assert "c" not in judged(every(0.1, 20, target=lambda n: f"/t?other=A{n}"), control)


def test_addresses_that_a_server_is_asked_to_fetch_are_enumerated() -> None:
    inner = judged(every(0.5, 40, target=lambda n: f"/fetch?url=http://10.0.0.{n}/"))
    assert inner["addresses-of-source"].marked == 10
    pages = judged(every(0.5, 40, target=lambda n: f"/go?target=chapter-{n}"))
    assert "addresses-of-source" not in pages


def test_requests_with_attacks_count_for_payloads_only() -> None:
    watch = Watch((Control("r", "brute", "requests"),), 1)
    watch.observe(exchange(), [Finding("sqli", ("get", "q"), "x", "r", 0.9)])
    assert watch.take() == []


def test_of_the_operators_controls_the_longest_path_counts() -> None:
    wide = Control("wide", "brute", path="/api/*", threshold=1)
    narrow = Control("narrow", "brute", path="/api/login*", threshold=1)
    found = judged(every(1.0, 5, target="/api/login", method="POST"), wide, narrow)
    assert set(found) == {"narrow"}
    assert set(judged(every(1.0, 5, target="/api/other"), wide, narrow)) == {"wide"}


def test_a_control_for_a_path_goes_before_the_built_in_ones_of_its_type() -> None:
    off = Control("quiet", "brute", path="/login", mode="off")
    assert set(judged(logins(40), off)) == {"guesses-at-account"}  # which is of another type
    assert "brute-passwords" in judged(logins(40), Control("quiet", "brute", path="/elsewhere", mode="off"))


def test_a_control_of_the_same_name_replaces_the_built_in_one() -> None:
    strict = Control("brute-passwords", "brute", "values", parameters="~(?i)passw", window_ns=60 * SECOND, threshold=2)
    assert judged(logins(5), strict)["brute-passwords"].marked == 3


CONDITIONS = {
    "method": Control("c", methods=("PUT",)),
    "status": Control("c", statuses=("5xx",)),
    "host": Control("c", host="*.other.example"),
    "network": Control("c", networks=("10.0.0.0/8",)),
    "path": Control("c", path="~^/never"),
}


@pytest.mark.parametrize("control", CONDITIONS.values(), ids=CONDITIONS)
def test_all_conditions_of_a_control_have_to_hold(control: Control) -> None:
    assert "c" not in judged(every(0.1, 60, target="/a", status=200), control)
    assert "c" in judged(every(0.1, 60, target="/a", status=200), Control("c"))


def test_one_worker_and_eight_come_to_the_same() -> None:
    found = [*logins(40), *every(0.1, 150, target=lambda n: f"/api/users/{n}"), *every(0.1, 90, target="/x", status=401)]
    shares = [counted(found[worker::8]) for worker in range(8)]
    assert merged(counter for share in shares for counter in share) == merged(counted(found))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=60), max_size=20), st.binary(max_size=200))
def test_no_bytes_make_counting_fail(targets: list[bytes], body: bytes) -> None:
    watch = Watch((Control("c"), Control("v", "bola", "values"), Control("p", "brute", "values", parameters="*")), 3)
    for target in targets:
        each = exchange(method="POST", body=body)
        assert each.request is not None
        each.request.target = target
        watch.observe(each, [])
    for counter, _ in watch.take():
        assert counter.judged() is None or counter.peak > 0


def test_a_flood_of_sources_takes_no_more_cells_and_hides_nobody() -> None:
    watch = Watch((Control("c", threshold=30),), 1)
    flood = exchange("/x")
    steady = exchange("/x", client="203.0.113.7")
    for number in range(3 * CELLS):
        flood.client_ip = (0x0B000000 + number).to_bytes(4, "big")
        watch.observe(flood, [])
        if number % 1000 == 0:
            watch.observe(steady, [])
    found = {counter.key.subject: counter for counter, _ in watch.take()}
    assert len(found) <= CELLS
    assert watch.evicted > CELLS
    assert found["203.0.113.7"].peak == -(-3 * CELLS // 1000)


def test_samples_hold_no_bodies() -> None:
    watch = Watch((Control("c", threshold=2),), 1)
    for each in logins(9, 0.1):
        watch.observe(each, [])
    ((_, sample),) = watch.take()
    assert sample is not None and sample.request is not None and sample.response is not None
    assert (sample.request.body, sample.response.body) == (b"", b"")
    assert sample.request.time_ns > NOON
