"""Which names are this machine's alone."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether a host name, or an address without brackets, is one of the loopback interface."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


DIRECT = dict.fromkeys(("all://localhost", "all://127.0.0.1", "all://[::1]"))
"""Mounts for httpx: no proxy stands between a machine and itself, where it would see tokens, whatever is set."""
