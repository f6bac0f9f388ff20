"""A PostgreSQL server for tests and the bench: its own directory, an unprivileged user, a socket that nobody else finds."""

from __future__ import annotations

import ctypes
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psycopg

from bench.network import wait_until
from tcpmirror.cloud.database import open_database

_TEMPLATE = "tcpmirror_template"
_PROGRAMS = "/usr/lib/postgresql/*/bin"
_PR_SET_PDEATHSIG = 1


def programs() -> Path | None:
    """Return the directory of PostgreSQL's server programs, None if they are not installed."""
    found = sorted(Path("/").glob(_PROGRAMS[1:] + "/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    in_path = shutil.which("initdb")
    return Path(in_path).resolve().parent if in_path else None


class PostgreSQL(AbstractContextManager["PostgreSQL"]):
    """A server on a socket in a directory of its own, run by an unprivileged user; it goes with this process.

    Its databases sort by the rules of American English, so that nothing here rests on byte order by chance. Commits wait for
    the disk only if it is to be *durable*.
    """

    def __init__(self, *, durable: bool = False) -> None:
        self._durable = durable
        found = programs()
        assert found is not None, "PostgreSQL is not installed"
        self._programs = found
        self.directory = Path(tempfile.mkdtemp(prefix="tcpmirror-postgresql-", dir="/tmp"))
        self._numbers = itertools.count()
        self._user = _unprivileged_user()
        if self._user is not None:
            os.chown(self.directory, self._user.pw_uid, self._user.pw_gid)

    def __enter__(self) -> PostgreSQL:
        self._run(
            "initdb", "--no-sync", "--auth=trust", "--username=tcpmirror", "--encoding=UTF8", "--locale=C.UTF-8",
            "--locale-provider=icu", "--icu-locale=en-US", "-D", str(self.directory / "data"),
        )  # fmt: skip
        self.start()
        with self._maintenance() as connection:
            connection.execute(f"CREATE DATABASE {_TEMPLATE}")
        open_database(self.address(_TEMPLATE)).close()
        return self

    def __exit__(self, *raised: object) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        options = {
            "unix_socket_directories": self.directory,
            "listen_addresses": "",
            "shared_buffers": "64MB",
            "max_connections": "100",
            # Without, a killed server still finds what it gave to the kernel: only a power cut would tell.
            "fsync": "on" if self._durable else "off",
        }
        arguments = [f"-c{name}={value}" for name, value in options.items()]
        with (self.directory / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [self._programs / "postgres", "-D", self.directory / "data", *arguments],
                stdout=log, stderr=log, cwd="/", **self._as_user(),
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - one call into libc, which takes no lock
            )  # fmt: skip
        wait_until(self._is_ready, "PostgreSQL takes connections", 20)

    def stop(self, signum: signal.Signals = signal.SIGINT) -> None:
        """End the server: SIGINT closes connections in order, SIGQUIT drops everything as a crash would."""
        self._server.send_signal(signum)
        self._server.wait(20)

    def address(self, name: str) -> str:
        return f"postgresql://tcpmirror@/{name}?host={self.directory}"

    def new_database(self) -> str:
        """Return the address of a new database with the newest schema and nothing in it."""
        name = f"t{next(self._numbers)}"
        with self._maintenance() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
        return self.address(name)

    def empty_database(self) -> str:
        """Return the address of a new database without any table."""
        name = f"e{next(self._numbers)}"
        with self._maintenance() as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.address(name)

    def drop_database(self, address: str) -> None:
        name = address.partition("?")[0].rpartition("/")[2]
        with self._maintenance() as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    @contextmanager
    def _maintenance(self) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            yield connection

    def _is_ready(self) -> bool:
        assert self._server.poll() is None, (self.directory / "log").read_text()
        try:
            with self._maintenance():
                return True
        except psycopg.OperationalError:
            return False

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False, **self._as_user())
        assert done.returncode == 0, done.stdout + done.stderr

    def _as_user(self) -> dict[str, object]:
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}


def _unprivileged_user() -> pwd.struct_passwd | None:
    """Return whom the server runs as: PostgreSQL refuses root; None is the user of the tests."""
    if os.getuid() != 0:
        return None
    known = {user.pw_name: user for user in pwd.getpwall()}
    return known.get("postgres") or known["nobody"]


def _end_with_parent() -> None:
    # SIGQUIT ends the server at once, its children with it, should the test run be killed.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT, 0, 0, 0)
