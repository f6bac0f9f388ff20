"""What one request may have: limits of sizes and of GraphQL documents, what is usual at a route, fields that are not its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import orjson
import pytest

from tcpmirror.behavior.controls import PRIVILEGED
from tcpmirror.behavior.counter import merged
from tcpmirror.behavior.graphql import measures, shape
from tcpmirror.behavior.history import exceeding
from tcpmirror.behavior.uploads import largest_part
from tcpmirror.model.exchange import Exchange
from tcpmirror.settings.tree import SECOND, Control
from tests.behavior.exchanges import counted, exchange, judged

MIB = 1 << 20


def sized(each: Exchange, request: int = 0, response: int = 0, wait_s: float = 0.001) -> Exchange:
    """Return *each* with bodies of so many bytes, of which none are kept, and so long a wait for the answer."""
    assert each.request is not None
    assert each.response is not None
    each.request.body_length, each.response.body_length = request, response
    each.response.time_ns = each.request.time_ns + round(wait_s * 1e9)
    each.response.end_ns = each.response.time_ns + 1000
    return each


def test_each_upload_above_the_limit_is_marked() -> None:
    uploads = [
        sized(exchange("/files", "POST", at_s=number), request=size * MIB) for number, size in enumerate((1, 200, 100, 101))
    ]
    assert judged(uploads)["upload-size"].marked == 2


def test_the_limit_of_a_route_goes_before_the_built_in_one() -> None:
    own = Control(
        "avatars", "file_upload_violation", "uploads", path="/avatar", window_ns=60 * SECOND, threshold=0, limit=MIB
    )
    uploads = [sized(exchange(target, "POST"), request=2 * MIB) for target in ("/avatar", "/files")]
    assert {name: excess.marked for name, excess in judged(uploads, own).items()} == {"avatars": 1}


DEEP = "{a{b{c{d{e}}}}}"
GRAPHQL = {
    "depth": ("gql_depth", 4, {"query": DEEP}, {"query": "{a{b{c{d}}}}"}),
    "aliases": ("gql_aliases", 2, {"query": "{a:x b:x c:x}"}, {"query": "{a:x b:x c}"}),
    "documents": ("gql_docs_per_batch", 2, [{"query": "{a}"}] * 3, [{"query": "{a}"}] * 2),
    "size": ("gql_doc_size", 20, {"query": "{a" + " " * 20 + "}"}, {"query": "{a}"}),
    "a value in the document": ("gql_value_size", 8, {"query": '{a(b: "' + "x" * 9 + '")}'}, {"query": '{a(b: "x")}'}),
    "a value in the variables": (
        "gql_value_size", 8, {"query": "{a}", "variables": {"in": [{"b": "x" * 9}]}}, {"query": "{a}", "variables": {"n": "xx"}}
    ),
    "introspection": ("gql_introspection", 0, {"query": "{__schema{types{name}}}"}, {"query": "{__typename a(b: \"__schema\")}"}),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "limit", "above", "within"), GRAPHQL.values(), ids=GRAPHQL)
def test_graphql_is_limited_where_a_control_says_so(kind: str, limit: int, above: object, within: object) -> None:
    own = Control("own", kind, "graphql", path="/graphql", window_ns=60 * SECOND, threshold=0, limit=limit)
    sent = [
        exchange(target, "POST", orjson.dumps(body), at_s=number)
        for number, (target, body) in enumerate((("/graphql", above), ("/graphql", within), ("/other", above)))
    ]
    assert {name: excess.marked for name, excess in judged(sent, own).items()} == {"own": 1}


SHAPES = {
    "arguments are no selections": (b"query Q($a: [Int!] = {x: {y: 1}}) {f(a: {b: {c: 1}}) {g}}", (2, 0)),
    "strings and comments": (b'{f(a: "{{{") # {{{\n {g} h(b: """{ " {""") }', (2, 0)),
    "aliases": (b"{one: f two: f three: g {four : h}}", (2, 4)),
    "fragments": (b"{...F} fragment F on T {a {b {c}}}", (3, 0)),
    "cut off": (b"{a {b {c", (3, 0)),
    "more closed than open": (b"}}}{a}", (1, 0)),
}


@pytest.mark.parametrize(("document", "expected"), SHAPES.values(), ids=SHAPES)
def test_shape_of_documents(document: bytes, expected: tuple[int, int]) -> None:
    found = shape(document)
    assert (found.depth, found.aliases) == expected


def test_documents_are_found_in_addresses_and_alone_and_nowhere_else() -> None:
    def of(each: Exchange) -> int:
        assert each.request is not None
        return measures(each.request).get("gql_depth", 0)

    assert of(exchange("/graphql?query=%7Ba%7Bb%7D%7D&x=1")) == 2
    assert of(exchange("/graphql", "POST", DEEP.encode(), Content_Type="application/graphql")) == 5
    assert of(exchange("/search?query=shoes")) == 0
    assert of(exchange("/search", "POST", b'{"query": "shoes"}')) == 0
    assert of(exchange("/search", "POST", b'{"query": ')) == 0
    assert of(exchange("/graphql", "POST", DEEP.encode(), Content_Type="text/plain")) == 5
    assert of(exchange("/graphql", "POST", b'{"query": "{a{b}}"}', Content_Type="text/plain; charset=utf-8")) == 2
    assert of(exchange("/graphql", "POST", b"query=%7Ba%7Bb%7D%7D", Content_Type="application/x-www-form-urlencoded")) == 2
    multipart = b'--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\n{"query": "{a{b{c}}}"}\r\n--x--\r\n'
    assert of(exchange("/upload", "POST", multipart, Content_Type="multipart/form-data; boundary=x")) == 3


def test_graphql_has_limits_without_being_asked_for() -> None:
    sent = [
        exchange("/api/graphql", "POST", orjson.dumps({"query": '{a(b: "' + "x" * 120_000 + '")}'})),
        exchange("/api/graphql?debug=1", "POST", b'{"query": "{a}"}', at_s=1),
        exchange("/api/graphql", "POST", b'{"query": "{a}"}', at_s=2),
        exchange("/notes", "POST", orjson.dumps({"query": "{" + "x" * 120_000}), at_s=3),
    ]
    whole = merged(counted(sent))
    found = {key.control: (key.path, counter.judged()) for key, counter in whole.items() if key.type.startswith("gql_")}
    assert {name: (path, excess.marked) for name, (path, excess) in found.items() if excess} == dict.fromkeys(
        ("graphql-size", "graphql-values", "graphql-debug"), ("/api/graphql", 1)
    )


MULTIPART = (
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n%b\r\n'
    b'--b\r\nContent-Disposition: form-data; name="note"\r\n\r\nlonger than the file is\r\n--b--\r\n'
)
PARTS = {
    "a file": (MULTIPART % (b"x" * 30), {"Content_Type": "multipart/form-data; boundary=b"}, 30),
    "a field of a form": (b"note=" + b"y" * 99 + b"&file=" + b"x" * 30, {}, 30),
    "a text in JSON": (orjson.dumps({"doc": {"file": "x" * 30, "note": "y" * 99}}), {}, 30),
    "a header": (b"", {"File": "x" * 30}, 30),
    "no such part": (b"note=x", {}, 0),
    "JSON that is cut": (b'{"file": "xx', {}, 0),
}


@pytest.mark.parametrize(("body", "headers", "size"), PARTS.values(), ids=PARTS)
def test_one_part_of_a_request_can_have_a_limit(body: bytes, headers: dict[str, str], size: int) -> None:
    each = exchange("/avatar", "POST", body, **headers)
    assert each.request is not None
    each.request.body_length = len(body)
    for limit, marked_too in ((29, size > 29), (30, False)):
        own = Control(
            "part", "file_upload_violation", "uploads", path="/avatar", parameters="file", threshold=0, limit=limit
        )
        assert ("part" in judged([each], own)) is marked_too


def test_a_file_that_was_cut_has_all_its_bytes() -> None:
    body = MULTIPART.partition(b"%b")[0] + b"x" * 10
    each = exchange("/avatar", "POST", body, Content_Type="multipart/form-data; boundary=b")
    assert each.request is not None
    each.request.body_length = len(body) + 1_000_000
    assert largest_part(each.request, lambda name: name == "file") == 1_000_010


def history(seconds: float, count: int, size: int = 2_000, wait_s: float = 0.02, begin_s: float = 0.0) -> Iterator[Exchange]:
    """Yield what is usual: answers that differ a little."""
    for number in range(count):
        each = exchange("/report", at_s=begin_s + number * seconds, client=f"198.51.100.{number % 50}")
        yield sized(each, response=size + number * 37 % 500, wait_s=wait_s * (1 + number % 7 / 7))


def marked(exchanges: Iterable[Exchange]) -> dict[str, int]:
    return {name: excess.marked for name, excess in judged(exchanges).items()}


def test_answers_far_larger_than_usual_are_marked() -> None:
    large = [sized(exchange("/report", at_s=400 + number), response=500_000) for number in range(30)]
    assert marked([*history(1.0, 300), *large]) == {"large-answers": 10}


def test_answers_far_slower_than_usual_are_marked() -> None:
    slow = [sized(exchange("/report", at_s=400 + number), response=2_000, wait_s=5.0) for number in range(30)]
    assert marked([*history(1.0, 300), *slow]) == {"slow-answers": 10}


def test_far_more_requests_than_usual_are_marked_whoever_sends_them() -> None:
    assert marked([*history(1.0, 600), *history(0.01, 900, begin_s=601)]) == {"surge-of-endpoint": 600}


USUAL = {
    "a history that is short": lambda: [*history(1.0, 100), *(sized(exchange("/report", at_s=200), response=MIB) for _ in "x" * 50)],
    "sizes that always vary": lambda: [
        sized(exchange("/report", at_s=number), response=1_000_000 if number % 10 == 0 else 1_000) for number in range(2_000)
    ],
    "a larger answer now and then": lambda: [
        sized(each, response=300_000) if number % 100 == 0 else each for number, each in enumerate(history(1.0, 1_000))
    ],
    "traffic that grows over an hour": lambda: [
        each for minute in range(60) for each in history(60 / (20 + 5 * minute), 20 + 5 * minute, begin_s=60.0 * minute)
    ],
    "a quiet endpoint that is asked twenty times as often": lambda: [
        *history(10.0, 60), *history(0.5, 200, begin_s=600)
    ],
}  # fmt: skip


@pytest.mark.parametrize("make", USUAL.values(), ids=USUAL)
def test_what_is_usual_is_not_marked(make) -> None:  # type: ignore[no-untyped-def]
    assert marked(make()) == {}


def profile_changes(count: int, begin: int = 0, extra: bytes = b"") -> Iterator[Exchange]:
    """Yield changes of profiles, and now and then their answers' readers."""
    for number in range(begin, begin + count):
        user = number % 7
        if number % 3 == 0:
            answer = b'{"id": %d, "name": "x", "role": "user", "isAdmin": false}' % user
            yield exchange(f"/api/users/{user}", at_s=number, answer=answer)
        body = b'{"name": "n%d", "city": "c"%s}' % (number, extra)
        yield exchange(f"/api/users/{user}", "PATCH", body, at_s=number + 0.5)


def assigned(exchanges: Iterable[Exchange]) -> dict[tuple[str, ...], int]:
    whole = merged(counted(exchanges))
    return {
        key.point: excess.marked
        for key, counter in whole.items()
        if key.control == "assigned-fields" and (excess := exceeding(counter, whole.get).judged()) is not None
    }


def test_a_field_that_only_answers_know_is_marked() -> None:
    attack = profile_changes(1, 40, b', "isAdmin": true')
    assert assigned([*profile_changes(40), *attack]) == {("post", "isAdmin"): 1}
    found = judged([*profile_changes(40), *profile_changes(1, 40, b', "role" : "admin"')])
    assert {name: excess.marked for name, excess in found.items()} == {"assigned-fields": 1}


def padded(body: bytes) -> bytes:
    """Put 10 KB before and behind the last member of a document."""
    at = body.rindex(b",")
    filler = b"".join(b', "k%d": "%s"' % (number, b"x" * 90) for number in range(100))
    return body[:at] + filler + body[at:-1] + filler + b"}"


@pytest.mark.parametrize(
    "body",
    [
        padded(b'{"name": "n", "isAdmin": true}'),
        b"a=%s&isAdmin=1&b=%s" % (b"x" * 9000, b"y" * 9000),
        b'--x\r\nContent-Disposition: form-data; name="isAdmin"\r\n\r\n1\r\n--x--\r\n',
        b'--x\r\nContent-Disposition: form-data; name="a"; filename="is_admin"\r\n\r\n%s\r\n'
        b'--x\r\nContent-Disposition: form-data; name="isAdmin"\r\n\r\n1\r\n--x--\r\n' % (b"x" * 9000),
    ],
    ids=["JSON", "a form", "parts", "parts with a file"],
)
def test_a_field_is_found_wherever_it_stands(body: bytes) -> None:
    attack = exchange("/api/users/1", "PATCH", body, at_s=60)
    assert list(assigned([*profile_changes(40), attack]).values()) == [1]


OWN_FIELDS = {
    "requests have always carried it": lambda: profile_changes(100, extra=b', "role": "user"'),
    "a field that answers do not know": lambda: [*profile_changes(40), *profile_changes(1, 40, b', "owner": 1')],
    "the name stands in a value": lambda: [
        *profile_changes(40),
        *profile_changes(1, 40, b', "note": "role", "to": "isAdmin"'),
    ],
    "too little is known": lambda: [*profile_changes(10), *profile_changes(1, 10, b', "role": "admin"')],
    "answers say what they were sent": lambda: [
        exchange("/hook", "POST", body, answer=body, at_s=number)
        for number, body in enumerate([b'{"name": "x"}'] * 40 + [b'{"role": "x"}'] * 2)
    ],
    "who speaks in a conversation": lambda: [
        *profile_changes(40),
        *profile_changes(1, 40, b', "messages": [{"role": "system"}, {"role":"user", "content": "x"}]'),
    ],
    "it was refused": lambda: [
        *profile_changes(40),
        exchange("/api/users/1", "PATCH", b'{"role":"x"}', status=403, at_s=60),
    ],
}


@pytest.mark.parametrize("make", OWN_FIELDS.values(), ids=OWN_FIELDS)
def test_fields_of_their_own_are_not_marked(make) -> None:  # type: ignore[no-untyped-def]
    assert assigned(make()) == {}


def test_who_sets_a_field_again_hours_later_is_no_news() -> None:
    first = list(profile_changes(5, 40, b', "role": "editor"'))
    assert assigned([*profile_changes(40), *first]) == {("post", "role"): 5}
    again = profile_changes(100, 10_000, b', "role": "editor"')
    assert assigned([*profile_changes(40), *first, *again]) == {("post", "role"): 5}


def test_what_three_sources_send_is_a_field_that_is_sent() -> None:
    body = b'{"name": "n", "role": "editor"}'
    others = [exchange("/api/users/1", "PATCH", body, at_s=60 + each, client=f"192.0.2.{each}") for each in range(3)]
    assert assigned([*profile_changes(40), *others[:2]]) == {("post", "role"): 1}  # of each of the two
    assert assigned([*profile_changes(40), *others]) == {}


def test_names_that_are_followed_can_be_chosen() -> None:
    own = Control("assigned-fields", "mass_assignment", "fields", methods=("PATCH",), parameters="city", threshold=0)
    sent = [
        *(exchange("/a", answer=b'{"city": "x", "role": "y"}', at_s=number) for number in range(5)),
        *(exchange("/a", "PATCH", b'{"name": "x"}', at_s=10 + number) for number in range(30)),
        exchange("/a", "PATCH", b'{"role": "x"}', at_s=50),
        exchange("/a", "PATCH", b"name=x&city=y", at_s=51),
    ]
    assert judged(sent, own)["assigned-fields"].marked == 1
    assert "city" not in PRIVILEGED
