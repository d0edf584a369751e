"""What a URL of sentinels says."""

import pytest

from shared.redis.sentinels import (
    Address,
    MasterConnection,
    SecureMasterConnection,
    connection_options,
    located,
    parsed,
)


def test_a_url_names_sentinels_service_and_database():
    """The port of a sentinel may be left out."""
    service = parsed("redis+sentinel://one,two:26380,[::1]:26381/people/2")

    assert list(service.sentinels) == [Address("one", 26_379), Address("two", 26_380), Address("::1", 26_381)]
    assert service.name == "people"
    assert service.serving == {"db": 2}
    assert service.asking == {"username": None, "password": None, "ssl": False}


def test_redis_and_its_sentinels_have_passwords_of_their_own():
    """Those of Redis stand where they always do."""
    service = parsed("redis+sentinel://reader:p%40ss@one/people?sentinel_username=asker&sentinel_password=other")

    assert service.serving == {"username": "reader", "password": "p@ss", "db": 0}
    assert service.asking == {"username": "asker", "password": "other", "ssl": False}


def test_tls_is_spoken_with_the_sentinels_too():
    """Under the same conditions."""
    options = connection_options("rediss+sentinel://one/people?ssl_ca_certs=/ca.pem&ssl_check_hostname=true")

    assert options["connection_class"] is SecureMasterConnection
    assert options["ssl_ca_certs"] == "/ca.pem"
    assert parsed("rediss+sentinel://one/people?ssl_ca_certs=/ca.pem").asking == {
        "username": None,
        "password": None,
        "ssl": True,
        "ssl_ca_certs": "/ca.pem",
    }


def test_without_tls_none_is_spoken():
    assert connection_options("redis+sentinel://one/people")["connection_class"] is MasterConnection


@pytest.mark.parametrize("url", ["redis://:secret@one:1/0", "rediss://one:1", "unix:///run/redis.sock"])
def test_a_server_that_is_named_itself_needs_no_sentinels(url):
    """Whatever it is: it is connected to as it is."""
    assert "sentinels" not in connection_options(url)
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
        parsed(url)
