"""The exceptions that tell an operator what is wrong, and the exit codes they become."""

from __future__ import annotations

from typing import Final

EXIT_OK: Final = 0
EXIT_USAGE: Final = 2
EXIT_SETTINGS: Final = 3
EXIT_ENVIRONMENT: Final = 4
EXIT_BUG: Final = 70


class TcpmirrorError(Exception):
    """Something the operator can mend; its text says what, where and what would be accepted."""

    exit_code: int = EXIT_BUG


class SettingsError(TcpmirrorError):
    """A settings file that cannot be used.

    ``file``, ``line`` (from 1; 0 if unknown), ``key`` (dotted path), ``value`` (as found) and ``accepted`` (in words) are
    facts for whoever wants to show them another way.
    """

    exit_code = EXIT_SETTINGS

    def __init__(self, file: str, line: int, key: str, value: object, accepted: str, problem: str = "") -> None:
        self.file = file
        self.line = line
        self.key = key
        self.value = value
        self.accepted = accepted
        self.problem = problem
        where = f"{file}:{line}" if line else file
        super().__init__(f"{where}: {key}: {problem or f'{value!r} is not accepted'}; accepted: {accepted}")


class EnvironmentFault(TcpmirrorError):
    """A missing permission, interface, file or address: not the settings' fault, not ours."""

    exit_code = EXIT_ENVIRONMENT


class DamagedCaptureFault(EnvironmentFault):
    """A capture file that is cut or damaged from some place on; what came before was read."""
