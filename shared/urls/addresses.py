"""Addresses that a program may be made to connect to by a stranger: those of the public internet, and no others."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple, Self

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# By the registries of special-purpose addresses (RFC 6890), rather than by what `is_global` means in a Python release.
_NOT_PUBLIC_4 = tuple(
    IPv4Network(each)
    for each in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by a provider's customers
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local: clouds serve credentials there
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
_PUBLIC_6 = IPv6Network("2000::/3")
"""All that is given out; loopback, link-local, private and multicast addresses lie outside."""

_NOT_PUBLIC_6 = tuple(
    IPv6Network(each)
    for each in (
        "2001::/23",  # protocol assignments, Teredo among them, which leads to an IPv4 address
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which leads to an IPv4 address by relays of strangers
        "3fff::/20",  # documentation
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")
"""By which a network without IPv4 reaches it: the last 32 bits are the address that is meant."""


class AllowedNetworks(NamedTuple):
    """Networks that may be connected to although they are not public."""

    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """:raises ValueError: one is no network."""
        return cls(tuple(_network(each.strip()) for each in text.split(",")))

    def __str__(self) -> str:
        return ",".join(map(str, self.networks))

    def have(self, address: Address) -> bool:
        meant = meant_by(address)
        return any(each.version == meant.version and meant in each for each in self.networks)


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise ValueError("write networks such as 10.0.0.0/8 or fd00::/8, with commas in between") from error


def parsed_address(text: str) -> Address:
    """Return an address as a resolver gives it, without the interface that one of a link has."""
    return ip_address(text.partition("%")[0])


def meant_by(address: Address) -> Address:
    """Return the address of IPv4 that one of IPv6 stands for, if it stands for one: mapped, or behind NAT64."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def is_public(address: Address) -> bool:
    """Tell whether an address is one of the public internet."""
    meant = meant_by(address)
    if isinstance(meant, IPv4Address):
        return not any(meant in each for each in _NOT_PUBLIC_4)
    return meant in _PUBLIC_6 and not any(meant in each for each in _NOT_PUBLIC_6)
