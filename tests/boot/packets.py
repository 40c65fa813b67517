"""Reading what QEMU took down of a guest's network: pcap files of Ethernet frames (tcpdump.org, "PCAP file format")."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator
from dataclasses import dataclass

IPV4, IPV6, ARP = 0x0800, 0x86DD, 0x0806
TCP, UDP, ICMP = 6, 17, 1


@dataclass(frozen=True)
class Packet:
    """A frame: `sender` and `ethertype`; of IPv4 also addresses, `protocol` and `port` (of the destination; else 0)."""

    sender: str
    ethertype: int
    source: str = ""
    target: str = ""
    protocol: int = 0
    port: int = 0
    data: bytes = b""

    @property
    def is_dhcp(self) -> bool:
        return self.protocol == UDP and self.port in (67, 68)


def packets(data: bytes) -> Iterator[Packet]:
    """The whole packets in the bytes of a pcap; QEMU may be writing the last one."""
    order = "<" if data[:4] == b"\xd4\xc3\xb2\xa1" else ">"
    at = 24
    while at + 16 <= len(data):
        size = struct.unpack_from(f"{order}I", data, at + 8)[0]
        frame = data[at + 16 : at + 16 + size]
        if len(frame) < size:
            return
        yield _packet(frame)
        at += 16 + size


def _packet(frame: bytes) -> Packet:
    sender, kind = frame[6:12].hex(":"), int.from_bytes(frame[12:14], "big")
    if kind != IPV4:
        return Packet(sender, kind, data=frame)
    header = 14 + (frame[14] & 15) * 4
    protocol = frame[23]
    port = int.from_bytes(frame[header + 2 : header + 4], "big") if protocol in (TCP, UDP) else 0
    source, target = (str(ipaddress.ip_address(frame[at : at + 4])) for at in (26, 30))
    return Packet(sender, kind, source, target, protocol, port, frame)
