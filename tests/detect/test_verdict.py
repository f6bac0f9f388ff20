"""What the signs in one value add up to."""

from __future__ import annotations

import pytest

from tcpmirror.detect.detector import Detector
from tcpmirror.detect.verdict import is_document, is_file, key_of
from tests.detect.requests import request

KEYS = {
    "query": (("get", "url"), "url"),
    "query named like a tag": (("get", "file", "percent"), "file"),
    "name": (("get_name",), "get_name"),
    "nested": (("post", "json_doc", "hash", "a", "array", "0", "hash", "b"), "b"),
    "JSON key": (("post", "json_doc", "hash", "a", "hash_name"), "hash_name"),
    "form": (("post", "form_urlencoded", "x", "base64"), "x"),
    "file name": (("post", "multipart", "f", "filename"), "filename"),
    "cookie": (("header", "COOKIE", "cookie", "sid"), "sid"),
    "header": (("header", "USER-AGENT"), "USER-AGENT"),
    "nested URL": (("get", "to", "url", "q"), "q"),
    "body": (("post",), ""),
}


@pytest.mark.parametrize(("path", "key"), KEYS.values(), ids=KEYS)
def test_the_key_of_a_point(path: tuple[str, ...], key: str) -> None:
    assert key_of(path) == key


def test_only_uploaded_content_is_a_file() -> None:
    assert is_file(("post", "multipart", "f", "file"))
    assert is_file(("post", "file"))
    assert not is_file(("get", "file"))
    assert not is_file(("post", "multipart", "file"))


def test_documents_are_told_from_payloads() -> None:
    assert is_document(
        b"To list the files of a folder, open a terminal and type the command. It shows names, one a line. " * 2
    )
    assert not is_document(
        b"1 UNION ALL SELECT a, b, c FROM users WHERE id IN (SELECT id FROM other WHERE x LIKE y ORDER BY z)" * 2
    )
    assert not is_document(b"short text.")


def test_weak_signs_add_up_only_within_one_value(detector: Detector) -> None:
    form = b"Content-Type: application/x-www-form-urlencoded\r\n"
    assert detector.inspect(request(b"POST", b"/", form, b"a=<b>x</b>xss")) != []
    assert detector.inspect(request(b"POST", b"/", form, b"a=<b>x</b>&b=xss")) == []


def test_code_quoted_in_a_text_is_no_attack(detector: Detector) -> None:
    text = (
        b"To see who is logged in, open a terminal and type `who; cat /etc/hosts`. The first command lists the users. "
        b"The second one shows the names of the machines that are known."
    )
    assert detector.inspect(request(b"POST", b"/notes", b"Content-Type: text/plain\r\n", text)) == []
