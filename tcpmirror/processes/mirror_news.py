"""What a worker learns about the mirror, on its way to the exporter."""

from __future__ import annotations

from itertools import islice
from typing import Final

from tcpmirror.model.digest import MirrorNews, encode_digest
from tcpmirror.reassembly.origins import Origin, Origins
from tcpmirror.ring.ring import KIND_DIGEST, Doorbell, RingWriter

ROWS: Final = 32  # a record: 1.8 KB, which fits into the smallest ring


def send_mirror_news(origins: Origins, writer: RingWriter, bell: Doorbell) -> None:
    """Send what is new of every origin; what finds no room now goes with the next call."""
    changed = (origin for origin in origins if any(origin.news()))
    is_sent = False
    while chunk := list(islice(changed, ROWS)):
        news = [origin.news() for origin in chunk]
        if not writer.write(KIND_DIGEST, encode_digest(map(_row, chunk))):
            break
        is_sent = True
        for origin, told in zip(chunk, news, strict=True):
            origin.tell(told)
    if is_sent:
        bell.ring()


def _row(origin: Origin) -> MirrorNews:
    return MirrorNews(origin.source, origin.vlan, origin.inner_vlan, origin.vni, *origin.news())
