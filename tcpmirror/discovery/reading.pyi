from collections import Counter

from tcpmirror.discovery.digest import ParameterDigest, ParameterKey
from tcpmirror.model.exchange import Exchange

def read_exchange(
    exchange: Exchange,
    path: tuple[str, ...],
    parameters: dict[ParameterKey, ParameterDigest],
    auth: Counter[str],
    types: Counter[str],
    kind: str,
    known: set[tuple[str, str, str, str]],
) -> bool: ...
