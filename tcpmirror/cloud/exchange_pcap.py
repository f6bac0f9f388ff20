"""A stored exchange as a capture file: the connection it would have been, for Wireshark.

The addresses, ports and times are those of the exchange; the handshake, sequence numbers and lengths are made up. Format:
pcap with nanoseconds (draft-ietf-opsawg-pcap), Ethernet, IPv4 or IPv6, TCP (RFC 9293).
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tcpmirror.cloud.exchange_http import message

_HEADER: Final = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, 1)
_SEGMENT: Final = 1400  # bytes of payload a packet: fits any usual MTU
_FIN, _SYN, _PSH, _ACK = 0x01, 0x02, 0x08, 0x10
_MAC: Final = {"client": bytes.fromhex("020000000001"), "server": bytes.fromhex("020000000002")}
_BODILESS: Final = (b"GET ", b"HEAD ", b"DELETE ", b"OPTIONS ", b"TRACE ")
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class NoAddresses(Exception):
    """The exchange has no addresses that packets could carry."""


@dataclass(slots=True)
class _End:
    """One end of the connection; ``sequence``: of the next byte it sends."""

    name: str
    address: _Address
    port: int
    sequence: int


def exchange_pcap(client: str, server: str, time_ns: int, duration_ns: int | None, request: bytes, response: bytes) -> bytes:
    """Return the file; *client* and *server* are ``ip:port``. NoAddresses if they are not, or not of one family."""
    ends = _end("client", client, 1_000), _end("server", server, 5_000)
    if ends[0].address.version != ends[1].address.version:
        raise NoAddresses(f"{client} and {server}")
    packets = _packets(*ends, time_ns, duration_ns or 0, request, response)
    return _HEADER + b"".join(
        struct.pack("<IIII", at // 10**9, at % 10**9, len(packet), len(packet)) + packet for at, packet in packets
    )


def _packets(
    client: _End, server: _End, time_ns: int, duration_ns: int, request: bytes, response: bytes
) -> Iterator[tuple[int, bytes]]:
    """Yield (time, frame): handshake just before the request, the messages at their times, the end."""
    step = 1_000
    opened = max(time_ns - 3 * step, 0)
    yield opened, _frame(client, server, _SYN)
    yield opened + step, _frame(server, client, _SYN | _ACK)
    yield opened + 2 * step, _frame(client, server, _ACK)
    at = time_ns
    sent, received = message(request), message(response)
    if sent is not None:
        for frame in _data(client, server, sent.encoded(not sent.start.startswith(_BODILESS))):
            yield at, frame
            at += step
    at = max(time_ns + duration_ns, at)
    if received is not None:
        for frame in _data(server, client, received.encoded()):
            yield at, frame
            at += step
    yield at, _frame(client, server, _FIN | _ACK)
    yield at + step, _frame(server, client, _FIN | _ACK)
    yield at + 2 * step, _frame(client, server, _ACK)


def _data(source: _End, target: _End, payload: bytes) -> Iterator[bytes]:
    for start in range(0, len(payload), _SEGMENT):
        yield _frame(source, target, _PSH | _ACK, payload[start : start + _SEGMENT])


def _frame(source: _End, target: _End, flags: int, payload: bytes = b"") -> bytes:
    """Return one Ethernet frame, and count what it sends."""
    acknowledged = target.sequence if flags & _ACK else 0
    ports = struct.pack("!HHIIBBH", source.port, target.port, source.sequence, acknowledged, 5 << 4, flags, 65_535)
    length = 20 + len(payload)
    pseudo = source.address.packed + target.address.packed + struct.pack("!IHBB", length, 0, 0, 6)
    checksum = _checksum(pseudo + ports + b"\0\0\0\0" + payload)
    segment = ports + struct.pack("!HH", checksum, 0) + payload
    source.sequence = (source.sequence + len(payload) + bool(flags & (_SYN | _FIN))) % 2**32
    kind, packet = (
        (0x0800, _ipv4(source, target, segment)) if source.address.version == 4 else (0x86DD, _ipv6(source, target, segment))
    )
    return _MAC[target.name] + _MAC[source.name] + struct.pack("!H", kind) + packet


def _ipv4(source: _End, target: _End, segment: bytes) -> bytes:
    fields = (0x45, 0, 20 + len(segment), 0, 0x4000, 64, 6)
    head = struct.pack("!BBHHHBB", *fields)
    checksum = _checksum(head + b"\0\0" + source.address.packed + target.address.packed)
    return head + struct.pack("!H", checksum) + source.address.packed + target.address.packed + segment


def _ipv6(source: _End, target: _End, segment: bytes) -> bytes:
    return struct.pack("!IHBB", 6 << 28, len(segment), 6, 64) + source.address.packed + target.address.packed + segment


def _checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _end(name: str, text: str, sequence: int) -> _End:
    address, colon, port = text.rpartition(":")
    try:
        if not colon or not 0 <= int(port) <= 65_535:
            raise NoAddresses(text)
        return _End(name, ipaddress.ip_address(address.strip("[]").partition("%")[0]), int(port), sequence)
    except ValueError as error:
        raise NoAddresses(text) from error
