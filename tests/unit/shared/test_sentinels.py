"""What a URL of sentinels says."""

import pytest

from shared.redis import masters, sentinels
from shared.redis.location import connection_options, located
from shared.urls.servers import Address, SentinelUrl


def test_a_url_names_sentinels_service_and_database():
    """The port of a sentinel may be left out."""
    url = SentinelUrl.parse("redis+sentinel://one,two:26380,[::1]:26381/people/2")

    assert list(url.sentinels) == [Address("one", 26_379), Address("two", 26_380), Address("::1", 26_381)]
    assert url.service == "people"
    assert masters.master_options(url.server(url.sentinels[0])) == {"db": 2}
    assert sentinels.sentinel_options(url) == {"username": None, "password": None, "ssl": False}


def test_a_slash_too_many_does_no_harm():
    """As a template that joins a host and a service easily has."""
    url = SentinelUrl.parse("redis+sentinel://one//people/2")

    assert (url.service, url.database) == ("people", "2")


def test_redis_and_its_sentinels_have_passwords_of_their_own():
    """Those of Redis stand where they always do."""
    url = SentinelUrl.parse("redis+sentinel://reader:p%40ss@one/people?sentinel_username=asker&sentinel_password=other")

    assert masters.master_options(url.server(url.sentinels[0])) == {"username": "reader", "password": "p@ss", "db": 0}
    assert sentinels.sentinel_options(url) == {"username": "asker", "password": "other", "ssl": False}


def test_tls_is_spoken_with_the_sentinels_too():
    """Under the same conditions."""
    options = connection_options("rediss+sentinel://one/people?ssl_ca_certs=/ca.pem&ssl_check_hostname=true")

    assert options["connection_class"] is masters.SecureMasterConnection
    assert options["ssl_ca_certs"] == "/ca.pem"
    assert sentinels.sentinel_options(SentinelUrl.parse("rediss+sentinel://one/people?ssl_ca_certs=/ca.pem")) == {
        "username": None,
        "password": None,
        "ssl": True,
        "ssl_ca_certs": "/ca.pem",
    }


def test_without_tls_none_is_spoken():
    assert connection_options("redis+sentinel://one/people")["connection_class"] is masters.MasterConnection


@pytest.mark.parametrize("url", ["redis://:secret@one:1/0", "rediss://one:1", "unix:///run/redis.sock"])
def test_a_server_that_is_named_itself_needs_no_sentinels(url):
    """Whatever it is: it is connected to as it is."""
    assert "locator" not in connection_options(url)
    assert located(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://one",
        "redis+sentinel://one/",
        "redis+sentinel://one/people/first",
        "redis+sentinel:///people",
        "redis+sentinel://one,/people",
        "redis+sentinel://one:port/people",
    ],
)
def test_what_names_no_service_on_any_sentinel_is_refused(url):
    """Where it is read, not where it is connected to."""
    with pytest.raises(ValueError):
        SentinelUrl.parse(url)
