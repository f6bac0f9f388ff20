from __future__ import annotations

import shutil
import socket
import subprocess
import threading

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tcpmirror.cloud.exchange_curl import curl_command, word

SHELLS = [shell for shell in ("dash", "bash") if shutil.which(shell)]


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=25, deadline=None)
@example(raw=b"-\x01")
@given(raw=st.binary(max_size=60).map(lambda raw: raw.replace(b"\0", b"")))
def test_shell_reads_each_word_as_the_bytes_it_was_made_of(shell: str, raw: bytes) -> None:
    if raw.endswith(b"\n"):
        raw += b"."  # a shell cuts newlines off the end of what a command prints
    printed = subprocess.run([shell, "-c", f"printf %s {word(raw)}"], capture_output=True, check=True)
    assert printed.stdout == raw


HOSTILE = (
    b"P'OST /a b/../?q=%27;$(id)`id`\xff HTTP/1.1\r\nHost: shop.example'; touch pwned #\r\n@/etc/passwd: x\r\n"
    b"X-Empty:\r\nCookie: a=$(touch pwned)\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n@/etc/passwd'\"\xfe"
)


def test_hostile_request_arrives_as_it_was_and_runs_nothing(tmp_path) -> None:
    seen = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                data = b""
                while b"\xfe" not in data:
                    data += connection.recv(65536)
                seen.append(data)
                connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        command = curl_command(f"127.0.0.1:{listener.getsockname()[1]}", HOSTILE)
        done = subprocess.run([SHELLS[0], "-c", command], cwd=tmp_path, capture_output=True, timeout=20, check=False)
        thread.join()
    assert done.stdout.startswith(b"HTTP/1.1 204")
    head, _, body = seen[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"P'OST /a%20b/../?q=%27;$(id)`id`%FF HTTP/1.1"
    assert {b"Host: shop.example'; touch pwned #", b"X-Empty:", b"Cookie: a=$(touch pwned)"} <= set(lines)
    assert b"Content-Length: %d" % len(body) in lines and b"passwd: x" not in head
    assert body == b"@/etc/passwd'\"\xfe"
    assert list(tmp_path.iterdir()) == []


NOTHING = {"nothing kept": ("10.0.0.1:80", b""), "no address": ("$(id):80", b"GET / HTTP/1.1\r\n\r\n")}


@pytest.mark.parametrize(("server", "request_"), NOTHING.values(), ids=NOTHING.keys())
def test_there_is_no_command_for(server: str, request_: bytes) -> None:
    assert curl_command(server, request_) == ""
