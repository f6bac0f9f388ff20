"""Whose request it is: the client's address behind trusted proxies.

The first rule whose trusted networks hold the peer decides; a rule without networks trusts every peer. The header's first
value counts when it is a list, and a port behind the address is cut off.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from tcpmirror.model.exchange import Exchange, Request, ip_text
from tcpmirror.settings.tree import ProxyHeaders

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class _Rule:
    networks: tuple[Network, ...] | None
    real_ip: tuple[bytes, ...]
    original_host: tuple[bytes, ...]


class ClientAddress:
    """Applies the operator's `proxy_headers` rules."""

    def __init__(self, rules: tuple[ProxyHeaders, ...]) -> None:
        self._rules = tuple(
            _Rule(
                None
                if rule.trusted_networks is None
                else tuple(ipaddress.ip_network(net, strict=False) for net in rule.trusted_networks),
                tuple(name.lower().encode() for name in rule.real_ip),
                tuple(name.lower().encode() for name in rule.original_host),
            )
            for rule in rules
        )

    def real_ip(self, exchange: Exchange) -> str:
        """Return the client's address as text: from a trusted header, else the packet's source."""
        rule = self._rule_for(exchange) if exchange.request is not None else None
        if rule is not None and exchange.request is not None:
            for name in rule.real_ip:
                address = _address(exchange.request, name)
                if address:
                    return address
        return ip_text(exchange.client_ip)

    def host(self, exchange: Exchange) -> str | None:
        """Return the host the client asked for: from a trusted header, else the request's own."""
        rule = self._rule_for(exchange) if exchange.request is not None else None
        if rule is not None and exchange.request is not None:
            for name in rule.original_host:
                value = exchange.request.header(name)
                if value:
                    return value.partition(b",")[0].strip().decode("latin-1")
        return exchange.host

    def _rule_for(self, exchange: Exchange) -> _Rule | None:
        if not self._rules:
            return None
        peer = ipaddress.ip_address(exchange.client_ip)
        for rule in self._rules:
            if rule.networks is None or any(peer in network for network in rule.networks):
                return rule
        return None


def _address(request: Request, name: bytes) -> str:
    """Return the first address in header *name*, or "" when there is none."""
    value = request.header(name)
    if not value:
        return ""
    text = value.partition(b",")[0].strip().decode("latin-1")
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""
