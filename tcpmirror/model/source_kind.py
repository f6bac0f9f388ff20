"""What a source address may be, besides the network it is in: the words of lists, settings and searches."""

from __future__ import annotations

from typing import Final

SOURCE_KINDS: Final = {
    "tor": "exit of the Tor network",
    "proxy": "public or web proxy",
    "vpn": "VPN service",
    "datacenter": "data centre",
    "residential": "proxy in somebody's home",
    "crawler": "search engine",
    "malicious": "on a list of malicious addresses",
}
