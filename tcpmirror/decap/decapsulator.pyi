from collections.abc import Iterable
from typing import Any

REASONS: dict[int, str]

class Decapsulator:
    link_type: int
    def __init__(
        self,
        link_type: int,
        depth_limit: int = ...,
        tcp_ports: Iterable[int] = ...,
        hosts: Iterable[str] = ...,
        vlan_ids: Iterable[int] = ...,
        vxlan_ports: Iterable[int] = ...,
        geneve_ports: Iterable[int] = ...,
        vni_allow: Iterable[int] = ...,
        vni_deny: Iterable[int] = ...,
        inner_vni_allow: Iterable[int] = ...,
        ignored: Iterable[tuple[Iterable[str], str]] = ...,
        own_endpoints: Iterable[tuple[bytes, int]] = ...,
    ) -> None: ...
    def reason(self, frame: bytes) -> str: ...
    def observe(
        self, frame: bytes
    ) -> tuple[str, int, int, int, int, bytes, bytes, int, int, int, int, int, int, int, bool, int, int, bytes]: ...
    def read_frames(self, frame: bytes) -> list[tuple[str, dict[str, Any] | None]]: ...
    def read_frame(self, frame: bytes) -> tuple[str, dict[str, Any] | None]: ...
