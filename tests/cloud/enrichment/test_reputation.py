from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.cloud.enrichment.reputation import Networks, ReputationList, read_networks
from tcpmirror.cloud.search.keys import number_of_address

TEXT = """# made by hand
ip,seen
198.51.100.0/24,2026-01-01
192.0.2.7 ; a scanner
"203.0.113.1","quoted"
203.0.113.3-203.0.113.5
2001:db8::/32
"""


def test_lines_of_each_form_are_read_and_headings_left_out() -> None:
    found = read_networks(TEXT)
    inside = ("198.51.100.9", "192.0.2.7", "203.0.113.1", "203.0.113.4", "2001:db8:1::")
    outside = ("198.51.101.1", "192.0.2.6", "192.0.2.8", "203.0.113.2", "203.0.113.6", "2001:db9::")
    assert all(number_of_address(one) in found for one in inside)
    assert not any(number_of_address(one) in found for one in outside)
    assert (len(found), found.left_out) == (5, 1)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9)), max_size=12), st.integers(0, 80))
def test_number_is_in_it_where_it_is_in_one_of_the_ranges(ranges: list[tuple[int, int]], number: int) -> None:
    pairs = [(low, low + length) for low, length in ranges]
    assert (number in Networks.of(pairs)) == any(low <= number <= high for low, high in pairs)


def test_changed_file_is_read_again_and_a_bad_one_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("192.0.2.1\n")
    one = ReputationList("tor", str(path))
    assert one.look() and not one.look()
    path.write_text("192.0.2.1\n192.0.2.200\n")
    assert one.look() and len(one.networks) == 2
    path.write_text("<html>not found</html>\n")
    assert not one.look() and len(one.networks) == 2
    assert one.problem.endswith("no line is an address or a network")
    path.unlink()
    assert not one.look() and len(one.networks) == 2 and "No such file" in one.problem


class Lists(ThreadingHTTPServer):
    text, status, conditional = "192.0.2.1\n", 200, 0


class Answer(BaseHTTPRequestHandler):
    server: Lists

    def do_GET(self) -> None:
        tag = f'"{hash(self.server.text)}"'
        known = self.headers.get("If-None-Match") == tag
        self.server.conditional += known
        self.send_response(304 if known else self.server.status)
        self.send_header("ETag", tag)
        body = b"" if known else self.server.text.encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def lists() -> Iterator[Lists]:
    with Lists(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_list_at_a_url_is_fetched_and_asked_for_by_its_tag(lists: Lists) -> None:
    one = ReputationList("malicious", f"http://127.0.0.1:{lists.server_address[1]}/list")
    assert one.look() and len(one.networks) == 1
    assert not one.look() and lists.conditional == 1
    lists.text = "192.0.2.1\n198.51.100.0/24\n"
    assert one.look() and len(one.networks) == 2
    lists.text, lists.status = "gone", 500
    assert not one.look() and len(one.networks) == 2 and "answered 500" in one.problem


def test_server_that_is_not_there_is_told() -> None:
    one = ReputationList("malicious", "http://127.0.0.1:1/list")
    assert not one.look() and "ConnectError" in one.problem
