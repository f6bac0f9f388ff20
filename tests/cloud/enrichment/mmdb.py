"""Writes small MMDB files, after the text of the MaxMind DB File Format 2.0 and by no code that reads them."""

from __future__ import annotations

import ipaddress
import struct
from pathlib import Path
from typing import Any


def write_mmdb(path: Path, networks: dict[str, dict[str, Any]], kind: str = "Test", built: int = 1_780_000_000) -> Path:
    """Write a database of 128-bit addresses (IPv4 below ::/96) with records of 28 bits at *path*, and return it."""
    root: list[Any] = [None, None]
    for network, record in networks.items():
        _put(root, ipaddress.ip_network(network), record)
    nodes: list[list[Any]] = []
    _number(root, nodes)
    data, places = b"", {}
    for node in nodes:
        for value in node:
            if isinstance(value, dict) and id(value) not in places:
                places[id(value)] = len(data)
                data += _encoded(value)
    order = {id(node): number for number, node in enumerate(nodes)}
    tree = b"".join(_record(*(_pointer(value, order, places, len(nodes)) for value in node)) for node in nodes)
    metadata = {
        "node_count": len(nodes),
        "record_size": 28,
        "ip_version": 6,
        "database_type": kind,
        "languages": ["en"],
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": built,
        "description": {"en": "made by a test"},
    }
    path.write_bytes(tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + _encoded(metadata))
    return path


def _put(root: list[Any], network: ipaddress.IPv4Network | ipaddress.IPv6Network, record: dict[str, Any]) -> None:
    length = network.prefixlen + (96 if network.version == 4 else 0)
    number = int(network.network_address)
    node = root
    for at in range(length - 1):
        bit = number >> (127 - at) & 1
        if node[bit] is None:
            node[bit] = [None, None]
        node = node[bit]
    node[number >> (128 - length) & 1] = record


def _number(node: list[Any], nodes: list[list[Any]]) -> None:
    nodes.append(node)
    for value in node:
        if isinstance(value, list):
            _number(value, nodes)


def _pointer(value: Any, order: dict[int, int], places: dict[int, int], count: int) -> int:
    if value is None:
        return count
    return order[id(value)] if isinstance(value, list) else count + 16 + places[id(value)]


def _record(left: int, right: int) -> bytes:
    """Three bytes of the left one, a byte with the high four bits of both, three bytes of the right one."""
    middle = (left >> 24) << 4 | right >> 24
    return (left & 0xFFFFFF).to_bytes(3, "big") + bytes([middle]) + (right & 0xFFFFFF).to_bytes(3, "big")


def _encoded(value: Any) -> bytes:
    match value:
        case bool():
            return _head(14, int(value))
        case str():
            return _head(2, len(value.encode())) + value.encode()
        case float():
            return _head(3, 8) + struct.pack(">d", value)
        case int():
            raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
            return _head(6 if value < 2**32 else 9, len(raw)) + raw
        case dict():
            return _head(7, len(value)) + b"".join(_encoded(name) + _encoded(each) for name, each in value.items())
        case list():
            return _head(11, len(value)) + b"".join(map(_encoded, value))
    raise TypeError(type(value))


def _head(kind: int, size: int) -> bytes:
    """The control byte, the byte of a kind over 7, and that of a size over 28."""
    assert size < 285, "more than a test needs"
    short, rest = (size, b"") if size < 29 else (29, bytes([size - 29]))
    return bytes([kind << 5 | short]) + rest if kind <= 7 else bytes([short, kind - 7]) + rest
