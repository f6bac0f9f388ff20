"""What is known of one source address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tcpmirror.model.source_kind import SOURCE_KINDS

# Networks in which a cloud provider lets machines, by their numbers (as their WHOIS records say).
PROVIDERS: Final = {
    "aws": (7224, 8987, 14618, 16509),
    "azure": (8068, 8075),
    "gcp": (15169, 19527, 396982),
    "oracle": (7160, 31898),
    "alibaba": (37963, 45102),
    "tencent": (45090, 132203),
    "huawei": (55990, 136907),
    "ibm": (36351,),
    "rackspace": (19994, 27357, 33070),
    "digitalocean": (14061,),
    "linode": (63949,),
    "vultr": (20473,),
    "hetzner": (24940, 213230),
    "ovh": (16276, 35540),
}
PROVIDER_OF: Final = {number: name for name, numbers in PROVIDERS.items() for number in numbers}
# What the search key `source:` accepts.
KINDS: Final = (*SOURCE_KINDS, *PROVIDERS)
TEXT_CHARS: Final = 120


@dataclass(frozen=True, slots=True)
class Source:
    """``country``: two capital letters (ISO 3166-1), empty: unknown; ``network``: its number (ASN), 0: unknown."""

    country: str = ""
    network: int = 0
    network_name: str = ""
    kinds: tuple[str, ...] = ()  # of KINDS, sorted

    def joined(self, other: Source) -> Source:
        """Return what the two know together; where they differ, what this one says."""
        return Source(
            self.country or other.country,
            self.network or other.network,
            self.network_name or other.network_name,
            tuple(sorted({*self.kinds, *other.kinds})),
        )

    def with_provider(self) -> Source:
        """Return it with the data centre that its network is of."""
        provider = PROVIDER_OF.get(self.network)
        return self if provider is None else self.joined(Source(kinds=("datacenter", provider)))

    @property
    def stored_kinds(self) -> str:
        """The kinds, each between blanks, as the store keeps them."""
        return f" {' '.join(self.kinds)} " if self.kinds else ""


NOTHING: Final = Source()


def kinds_of(stored: str) -> tuple[str, ...]:
    return tuple(stored.split())
