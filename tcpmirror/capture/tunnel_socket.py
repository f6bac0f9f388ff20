"""VXLAN or GENEVE that is sent to this machine: a UDP socket takes the outer headers off."""

from __future__ import annotations

import ipaddress
import logging
import os
import select
import socket
from typing import Final

from tcpmirror.capture.datagrams import DatagramReader
from tcpmirror.capture.packet_socket import SO_RXQ_OVFL, SO_TIMESTAMPNS, set_buffer
from tcpmirror.capture.pcap_source import POLL_MS, KernelStats
from tcpmirror.capture.receiver import FrameReceiver
from tcpmirror.errors import EnvironmentFault
from tcpmirror.settings.tree import Source

# Link types of our own (`decap.link`), beyond those of libpcap.
LINK_TYPES: Final = {"vxlan_socket": 0x10001, "geneve_socket": 0x10002}

log = logging.getLogger(__name__)


class TunnelSocket:
    """A UDP socket on the address of *source*; each datagram is a tunnel's header and a frame of any size."""

    def __init__(self, source: Source) -> None:
        """EnvironmentFault when the address cannot be listened on."""
        self.link_type = LINK_TYPES[source.kind]
        self._name = source.listen_address
        host, _, port = source.listen_address.rpartition(":")
        address = ipaddress.ip_address(host.strip("[]") or "::")
        self._socket = socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            if address.version == 6 and address.is_unspecified:
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
            set_buffer(self._socket, source.buffer_bytes, source.listen_address)
            self._socket.bind((str(address), int(port)))
        except OSError as problem:
            self._socket.close()
            raise EnvironmentFault(f"{source.listen_address}: cannot listen there: {problem}") from problem
        self._reader = DatagramReader(self._socket.fileno(), self.link_type)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)

    @property
    def address(self) -> tuple[str, int]:
        """The address and port that the socket is bound to."""
        host, port, *_ = self._socket.getsockname()
        return host, port

    def receive(self, receiver: FrameReceiver) -> int:
        """Hand over what is there, after waiting up to POLL_MS for some; return how many. OSError when it fails."""
        events = self._poll.poll(POLL_MS)
        if not events:
            return 0
        if events[0][1] & (select.POLLERR | select.POLLNVAL):
            # Reading the error clears it. The socket stays: a new one might have to do with a smaller buffer.
            number = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            log.warning("%s: %s", self._name, os.strerror(number))
        return self._reader.receive(receiver)

    def stats(self) -> KernelStats:
        return KernelStats(self._reader.received + self._reader.dropped, self._reader.dropped)

    def close(self) -> None:
        self._poll.unregister(self._socket)
        self._socket.close()
