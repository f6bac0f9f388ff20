"""The operator's packet filter, applied to a frame in hand: what the kernel would have left out."""

from __future__ import annotations

import pcap

from tcpmirror.errors import EnvironmentFault


class FrameFilter:
    """A pcap-filter(7) expression for frames of one link type; the empty one keeps everything."""

    def __init__(self, expression: str, link_type: int) -> None:
        """EnvironmentFault when libpcap does not take *expression*."""
        self._program = None
        if not expression:
            return
        try:
            self._program = pcap.bpf(expression.encode(), link_type)
        except (OSError, ValueError) as problem:
            raise EnvironmentFault(f"the filter {expression!r} is not accepted: {problem}") from problem

    def keeps(self, frame: bytes) -> bool:
        return self._program is None or bool(self._program.filter(frame))
