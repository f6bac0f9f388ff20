"""Makes capture files: whole TCP conversations as frames, so that tests need no network and no captures from elsewhere."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.packet import Packet
from scapy.utils import wrpcap

MSS = 1460
EPOCH = 1_700_000_000.0
MAC = {"src": "02:00:00:00:00:01", "dst": "02:00:00:00:00:02"}


def request(target: str = "/", method: str = "GET", body: bytes = b"", **headers: str) -> bytes:
    """Return an HTTP/1.1 request; underscores in header names become hyphens."""
    lines = [f"{method} {target} HTTP/1.1", "Host: shop.example"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def response(body: bytes = b"ok", status: int = 200) -> bytes:
    return f"HTTP/1.1 {status} X\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def conversation(
    turns: Iterable[tuple[int, bytes]],
    client: str = "10.1.0.1",
    port: int = 40000,
    server: str = "10.1.0.2",
    start: float = EPOCH,
    step: float = 0.001,
    segment: int = MSS,
    numbers: tuple[int, int] = (1000, 900_000),
) -> list[Packet]:
    """Return the frames of one connection: handshake, *turns* of (side, bytes) with side 0 the client, FINs."""
    seqs, time, frames = list(numbers), start, []

    def send(side: int, flags: str, payload: bytes = b"") -> None:
        nonlocal time
        ends = [(client, port), (server, 80)]
        (src, sport), (dst, dport) = ends[side], ends[1 - side]
        ack = seqs[1 - side] if "A" in flags else 0
        frame = (
            Ether(**MAC)
            / IP(src=src, dst=dst)
            / TCP(sport=sport, dport=dport, seq=seqs[side], ack=ack, flags=flags)
            / payload
        )
        frame.time = time
        frames.append(frame)
        seqs[side] += len(payload) + ("S" in flags) + ("F" in flags)
        time += step

    send(0, "S")
    send(1, "SA")
    send(0, "A")
    for side, data in turns:
        for at in range(0, len(data), segment):
            send(side, "PA", data[at : at + segment])
        send(1 - side, "A")
    send(0, "FA")
    send(1, "FA")
    send(0, "A")
    return frames


def write_capture(path: Path, *conversations: Sequence[Packet]) -> Path:
    """Write the conversations to *path*, their packets in the order of time."""
    wrpcap(str(path), sorted((packet for packets in conversations for packet in packets), key=lambda packet: packet.time))
    return path


def write_pcapng(
    path: Path, frames: Iterable[tuple[float, bytes]], key_logs: Iterable[bytes] = (), order: str = "<"
) -> Path:
    """Write Ethernet *frames* with their times as pcapng, each of *key_logs* in a Decryption Secrets Block before them."""

    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        size = struct.pack(order + "I", 12 + len(body))
        return struct.pack(order + "I", kind) + size + body + size

    blocks = [block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))]
    blocks += [block(10, struct.pack(order + "II", 0x544C534B, len(lines)) + lines) for lines in key_logs]
    blocks.append(block(1, struct.pack(order + "HHI", 1, 0, 0)))
    for time, frame in frames:
        micros = round(time * 1e6)
        head = struct.pack(order + "5I", 0, micros >> 32, micros & 0xFFFFFFFF, len(frame), len(frame))
        blocks.append(block(6, head + frame))
    path.write_bytes(b"".join(blocks))
    return path
