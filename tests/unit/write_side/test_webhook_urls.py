"""Where a webhook may go: said when it is added, not at each attempt."""

import pytest

from write_side.webhooks.webhook import webhook_url


@pytest.mark.parametrize("host", ["a.example", "a.example.", "127.0.0.1:80", "[::1]", f"{'a' * 63}.example"])
def test_a_name_or_an_address_is_good(host):
    assert webhook_url(f"https://{host}/") == f"https://{host}/"


@pytest.mark.parametrize("host", ["", ".", "a..example", ".a.example", "a.example..", f"{'a' * 64}.example"])
def test_a_name_that_no_server_can_have_is_refused(host):
    with pytest.raises(ValueError, match="write https://host/path"):
        webhook_url(f"https://{host}/")
