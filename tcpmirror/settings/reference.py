"""`python -m tcpmirror.settings.reference page|v3|v4` prints what the key tables say, as documentation."""

from __future__ import annotations

import sys
from collections.abc import Callable

from tcpmirror.errors import EXIT_OK, EXIT_USAGE
from tcpmirror.settings.configuration_page import configuration_page
from tcpmirror.settings.reference_file import reference_file


def main(arguments: list[str]) -> int:
    pages: dict[str, Callable[[], str]] = {
        "page": configuration_page,
        "v3": lambda: reference_file(3),
        "v4": lambda: reference_file(4),
    }
    if len(arguments) != 1 or arguments[0] not in pages:
        sys.stderr.write(f"usage: python -m tcpmirror.settings.reference {'|'.join(pages)}\n")
        return EXIT_USAGE
    sys.stdout.write(pages[arguments[0]]())
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
