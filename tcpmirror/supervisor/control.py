"""The control socket: how `status` and `reload` reach a running supervisor.

A UNIX stream socket under `supervisor.run_dir`, mode 0600. One request a connection: a JSON object on one line, answered
by a JSON object on one line. The server side never blocks: a slow caller must not hold up the parent of all processes.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import orjson

from tcpmirror.errors import EnvironmentFault

CONTROL_SOCKET: Final = "control.sock"
REQUEST_BYTES: Final = 4096  # a request is one word and a brace or two
CALLERS: Final = 16  # at once; one operator, one monitoring job, and room for both to be clumsy
BACKLOG: Final = 128  # more may queue before they are turned away
CALLER_NS: Final = 5_000_000_000  # time to send the request
PATH_BYTES: Final = 107  # sun_path of unix(7), less the final zero

Answer = Callable[[dict[str, Any]], dict[str, Any]]


class ControlServer:
    """Listens in *run_dir* and registers itself with *selector*; ``answer`` turns a request into what is sent back.

    A file object of the selector that belongs here carries this server as its data.
    """

    def __init__(self, run_dir: Path, selector: selectors.BaseSelector, answer: Answer) -> None:
        self.path = run_dir / CONTROL_SOCKET
        self._selector = selector
        self._answer = answer
        self._callers: dict[socket.socket, tuple[int, bytearray]] = {}
        self._listener = _listen(self.path)
        selector.register(self._listener, selectors.EVENT_READ, self)

    def on_readable(self, ready: object, now_ns: int) -> None:
        """Accept a caller, or read from one and answer it."""
        if ready is self._listener:
            self._accept(now_ns)
        elif isinstance(ready, socket.socket) and ready in self._callers:
            self._read(ready)

    def drop_slow_callers(self, now_ns: int) -> None:
        for caller, (since_ns, _) in tuple(self._callers.items()):
            if now_ns - since_ns > CALLER_NS:
                self._drop(caller)

    def close(self) -> None:
        """End all connections and remove the socket file."""
        self.abandon()
        self.path.unlink(missing_ok=True)

    def abandon(self) -> None:
        """Close every descriptor but leave the file: what a forked child does with its copy."""
        for caller in self._callers:
            caller.close()
        self._callers.clear()
        self._listener.close()

    def _accept(self, now_ns: int) -> None:
        with contextlib.suppress(OSError):  # the caller has gone, or we are out of descriptors: it may call again
            caller, _ = self._listener.accept()
            if len(self._callers) >= CALLERS:
                caller.close()
                return
            caller.setblocking(False)
            self._callers[caller] = (now_ns, bytearray())
            self._selector.register(caller, selectors.EVENT_READ, self)

    def _read(self, caller: socket.socket) -> None:
        _, request = self._callers[caller]
        try:
            part = caller.recv(REQUEST_BYTES)
        except BlockingIOError:
            return
        except OSError:
            part = b""
        request += part
        if b"\n" in request:
            self._reply(caller, bytes(request))
        if not part or b"\n" in request or len(request) > REQUEST_BYTES:
            self._drop(caller)

    def _reply(self, caller: socket.socket, request: bytes) -> None:
        answer = orjson.dumps(self._answer(_parse(request)), option=orjson.OPT_APPEND_NEWLINE)
        # An answer is some kilobytes and the socket's buffer some hundred; who fills it does not read and is dropped.
        with contextlib.suppress(OSError):
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, len(answer) * 2)
            caller.send(answer)

    def _drop(self, caller: socket.socket) -> None:
        del self._callers[caller]
        self._selector.unregister(caller)
        caller.close()


def ask(run_dir: Path, request: dict[str, Any], timeout_s: float = 10.0) -> dict[str, Any]:
    """Return the running supervisor's answer to *request*; EnvironmentFault if none answers."""
    path = run_dir / CONTROL_SOCKET
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as call, _short_path(path) as address:
            call.settimeout(timeout_s)
            call.connect(address)
            call.sendall(orjson.dumps(request, option=orjson.OPT_APPEND_NEWLINE))
            answer = _read_line(call, time.monotonic() + timeout_s)
    except OSError as fault:
        raise EnvironmentFault(f"the supervisor does not answer at {path}: {fault.strerror or fault}") from fault
    try:
        parsed = orjson.loads(answer)
    except ValueError as fault:
        raise EnvironmentFault(f"the supervisor at {path} broke off its answer") from fault
    return dict(parsed)


def _read_line(call: socket.socket, deadline: float) -> bytes:
    answer = bytearray()
    while not answer.endswith(b"\n") and (part := call.recv(65536)):
        answer += part
        if time.monotonic() > deadline:
            raise TimeoutError("no answer in time")
    return bytes(answer)


def _parse(request: bytes) -> dict[str, Any]:
    try:
        parsed = orjson.loads(request.split(b"\n", 1)[0])
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    listener.setblocking(False)
    mask = os.umask(0o177)  # the file must never be there with a wider mode
    try:
        path.unlink(missing_ok=True)  # left by a supervisor that was killed; the pid file's lock says that it is nobody's
        with _short_path(path) as address:
            listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as fault:
        listener.close()
        raise EnvironmentFault(f"supervisor.run_dir: {path} cannot be made: {fault.strerror or fault}") from fault
    finally:
        os.umask(mask)
    return listener


@contextlib.contextmanager
def _short_path(path: Path) -> Any:
    """A name of *path* that fits into a socket address, however deep its directory lies."""
    if len(os.fsencode(path)) <= PATH_BYTES:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
