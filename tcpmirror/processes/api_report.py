"""The inventory of capture files, as lines."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

import orjson

from tcpmirror.discovery.digest import EndpointDigest
from tcpmirror.discovery.inventory import described, fold, is_noise


def api_lines(digests: Iterable[EndpointDigest]) -> Iterator[bytes]:
    """Yield a JSON line for each endpoint that is no noise, in the order of host, path and method."""
    found = [described(digest) for digest in fold(digests).values() if not is_noise(digest)]
    for endpoint in sorted(found, key=lambda each: (each.host, each.path, each.method, each.kind, each.operation)):
        yield orjson.dumps(dataclasses.asdict(endpoint))
