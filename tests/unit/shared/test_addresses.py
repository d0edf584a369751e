"""Which addresses are public, whatever form they come in, and which a setting allows besides."""

import pytest

from shared.urls.addresses import AllowedNetworks, is_public, parsed_address

PUBLIC = [
    "1.1.1.1",
    "9.255.255.255",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.0.1",
    "172.32.0.1",
    "192.0.1.1",
    "223.255.255.255",
    "2606:4700::1111",
    "2a00:1450::1",
    "2001:200::1",
    "::ffff:1.1.1.1",
    "64:ff9b::1.1.1.1",
]
NOT_PUBLIC = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254"),
    *("172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1"),
    *("198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "100::1", "5f00::1"),
    *("2001::1", "2001:0:53aa:64c::1", "2001:10::1", "2001:db8::1", "3fff::1"),
    *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "::7f00:1", "::10.0.0.1"),
    *("2002:7f00:1::1", "2002:a9fe:a9fe::1", "2002:101:101::1"),  # 6to4, whatever it leads to
    *("64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1.1.1.1"),
]


def test_addresses_of_the_internet_are_public_and_no_others():
    assert [each for each in (*PUBLIC, *NOT_PUBLIC) if is_public(parsed_address(each))] == PUBLIC


@pytest.mark.parametrize(
    ("networks", "address", "expected"),
    [
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.0.0.0/8", "::ffff:10.1.2.3", True),
        ("10.0.0.0/8", "64:ff9b::10.1.2.3", True),
        ("fd00::/8, 127.0.0.1", "fd00::1", True),
        ("fd00::/8, 127.0.0.1", "127.0.0.1", True),
        ("fd00::/8, 127.0.0.1", "127.0.0.2", False),
    ],
)
def test_networks_that_are_allowed_have_addresses_in_any_form(networks, address, expected):
    assert AllowedNetworks.parse(networks).have(parsed_address(address)) is expected


@pytest.mark.parametrize("text", ["localhost", "10.0.0.1/8", "10.0.0.0/33", "a,b", "10.0.0.0/8,"])
def test_what_is_no_network_is_refused(text):
    with pytest.raises(ValueError, match="write networks"):
        AllowedNetworks.parse(text)
