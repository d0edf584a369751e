"""The settings in the environment, and the line that refuses a wrong one."""

import stat
from pathlib import Path

import msgspec
import pytest

from shared.private_files import write_private
from shared.settings import Addresses, SettingMissingError, Settings, SettingsError, masked, printable

ADDRESSES = Addresses(
    database_url="postgresql://muster:secret@127.0.0.1:5432/muster",
    redis_url="redis://:secret@127.0.0.1:6379/0",
    write="http://127.0.0.1:8001",
    read="http://127.0.0.1:8002",
    ops="http://127.0.0.1:8003",
)


@pytest.fixture
def home(tmp_path):
    """A home at which `muster up` runs."""
    (tmp_path / "addresses.json").write_bytes(msgspec.json.encode(ADDRESSES))
    return tmp_path


def test_an_empty_environment_means_the_documented_defaults():
    """Nothing has to be set."""
    settings = Settings.load({})

    assert (
        settings.read_wait,
        settings.idempotency_ttl,
        settings.partitions,
        settings.workers,
    ) == (2.0, 86_400, 1, 1)
    assert (settings.write_port, settings.read_port, settings.ops_port) == (8001, 8002, 8003)
    assert Path(".muster").absolute() == settings.home
    assert settings.database_url is None


def test_what_is_set_is_read_with_its_source():
    """Every value knows whether it was chosen."""
    settings = Settings.load({"MUSTER_READ_WAIT": "0.5", "MUSTER_WORKERS": "4", "HOME": "/not/ours"})

    assert (settings.read_wait, settings.workers) == (0.5, 4)
    assert (settings.sources["workers"], settings.sources["write_port"]) == ("environment", "default")


@pytest.mark.parametrize(
    ("name", "text", "number"),
    [
        ("MUSTER_WORKERS", "4 ", 4),
        ("MUSTER_WORKERS", "04", 4),
        ("MUSTER_READ_PORT", " 8002", 8002),
        ("MUSTER_READ_WAIT", ".5", 0.5),
        ("MUSTER_READ_WAIT", "2\t", 2.0),
    ],
)
def test_a_number_may_be_written_in_every_way_that_python_reads(name, text, number):
    """A file of variables easily has a blank at the end of a line."""
    assert getattr(Settings.load({name: text}), name.removeprefix("MUSTER_").lower()) == number


def test_an_empty_variable_counts_as_not_set():
    """`${VARIABLE:-}` in a compose file is no setting."""
    assert Settings.load({"MUSTER_DATABASE_URL": ""}).database_url is None


def test_a_misspelt_setting_is_refused_with_the_near_match():
    """A setting that nobody reads is a mistake that nobody notices."""
    with pytest.raises(SettingsError, match="MUSTER_REDIS_URI is no setting: did you mean MUSTER_REDIS_URL"):
        Settings.load({"MUSTER_REDIS_URI": "redis://localhost"})


def test_an_unknown_setting_is_refused_with_a_way_to_see_them_all():
    """Even where nothing is spelt nearly so."""
    with pytest.raises(SettingsError, match="MUSTER_XYZZY is no setting: `muster config`"):
        Settings.load({"MUSTER_XYZZY": "1"})


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("MUSTER_DATABASE_URL", "mysql://localhost/x", "postgresql://"),
        ("MUSTER_REDIS_URL", "http://localhost", "redis://host:port"),
        ("MUSTER_REDIS_URL", "redis+cluster://localhost", "not with a cluster"),
        ("MUSTER_REDIS_URL", "redis://a:1,b:2", "not with a cluster"),
        ("MUSTER_REDIS_URL", "redis+sentinel://a:1,b:2", "cannot read it"),
        ("MUSTER_WRITE_URL", "localhost:8001", "http://host:port"),
        ("MUSTER_READ_WAIT", "soon", "seconds from 0"),
        ("MUSTER_READ_WAIT", "nan", "seconds from 0"),
        ("MUSTER_WORKERS", "1e1", "whole number from 1"),
        ("MUSTER_READ_WAIT", "-1", "seconds from 0"),
        ("MUSTER_IDEMPOTENCY_TTL", "0", "whole number from 1"),
        ("MUSTER_PARTITIONS", "2", "one partition"),
        ("MUSTER_WORKERS", "two", "whole number from 1"),
        ("MUSTER_REBUILD", "always", "manual, auto"),
        ("MUSTER_LOG_FORMAT", "xml", "console, json"),
        ("MUSTER_AUTH", "maybe", "on, off"),
        ("MUSTER_ISSUER", "http://issuer.example", "https://host"),
        ("MUSTER_RATE_LIMIT", "600", "600/60"),
        ("MUSTER_RATE_LIMIT", "0/60", "600/60"),
        ("MUSTER_ISSUER", "https://issuer.example/?x=1", "https://host"),
        ("MUSTER_OPS_PORT", "70000", "from 1 to 65535"),
        ("MUSTER_DATABASE_URL", "postgresql://u:p@localhost:bad/db", "check the port"),
        ("MUSTER_DATABASE_URL", "postgresql://u:p@localhost/db?foo=1", "behind `?`"),
        ("MUSTER_REDIS_URL", "redis://localhost:bad", "check the port"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused_in_one_line(name, value, hint):
    """The line names the variable and the way out."""
    with pytest.raises(SettingsError) as refused:
        Settings.load({name: value})

    assert str(refused.value).startswith(f"{name} is ")
    assert hint in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://h:1/0",
        "rediss://h:1",
        "unix:///run/redis.sock",
        "redis+sentinel://:p@h1:26379,h2/people/0",
        "rediss+sentinel://h/people",
    ],
)
def test_every_kind_of_single_redis_is_accepted(url):
    """Three schemes, as contract.md lists them, and one master that sentinels name."""
    assert url == Settings.load({"MUSTER_REDIS_URL": url}).redis_url


def test_what_is_not_set_is_taken_from_the_home(home):
    """Other commands find the running `muster up` by its home."""
    settings = Settings.load({"MUSTER_HOME": str(home)}).with_addresses()

    assert ADDRESSES.database_url == settings.database_url
    assert (ADDRESSES.write, ADDRESSES.read, ADDRESSES.ops) == (settings.write_url, settings.read_url, settings.ops_url)
    assert str(home / "addresses.json") == settings.sources["redis_url"]


def test_what_is_set_wins_over_the_home(home):
    """A setting is a decision; the home is a convenience."""
    environ = {"MUSTER_HOME": str(home), "MUSTER_DATABASE_URL": "postgresql://mine/db"}

    settings = Settings.load(environ).with_addresses()

    assert settings.database_url == "postgresql://mine/db"
    assert settings.sources["database_url"] == "environment"


def test_a_broken_file_of_addresses_is_named(home):
    """Rather than taken for none."""
    (home / "addresses.json").write_text("{")

    with pytest.raises(SettingsError, match=r"addresses\.json cannot be read"):
        Settings.load({"MUSTER_HOME": str(home)}).with_addresses()


def test_what_a_command_cannot_do_without_is_asked_for(tmp_path):
    """The line names the setting and the other way to get it."""
    settings = Settings.load({"MUSTER_HOME": str(tmp_path)}).with_addresses()

    with pytest.raises(SettingMissingError, match="MUSTER_DATABASE_URL is not set and no `muster up` runs"):
        settings.required("database_url")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://muster:secret@h:1/db", "postgresql://muster:***@h:1/db"),
        ("redis://:secret@h:1/0", "redis://:***@h:1/0"),
        ("redis://:se@cr:et@h:1/0", "redis://:***@h:1/0"),
        ("redis://h:1/0", "redis://h:1/0"),
        ("postgresql://host/db?user=a&password=s3cret", "postgresql://host/db?user=a&password=***"),
        ("rediss://h:1/0?ssl_password=s3cret", "rediss://h:1/0?ssl_password=***"),
        ("postgresql://host/db?sslpassword=s3cret", "postgresql://host/db?sslpassword=***"),
        ("unix:///run/r.sock?password=s3cret&db=1", "unix:///run/r.sock?password=***&db=1"),
        (
            "redis+sentinel://:secret@h1,h2/people?sentinel_password=secret&ssl_ca_certs=/ca",
            "redis+sentinel://:***@h1,h2/people?sentinel_password=***&ssl_ca_certs=/ca",
        ),
    ],
)
def test_passwords_inside_urls_are_masked(url, shown):
    """Nothing of a password is left, wherever it stands."""
    assert shown == masked(url)


def test_a_token_is_never_shown():
    """Not even its length."""
    assert printable(Settings.load({"MUSTER_TOKEN": "secret"}), "token") == "***"


def test_a_refused_url_does_not_give_its_password_away():
    """Error messages end up in logs."""
    with pytest.raises(SettingsError) as refused:
        Settings.load({"MUSTER_DATABASE_URL": "mysql://me:secret@h/db"})

    assert "secret" not in str(refused.value)


def test_what_is_private_can_be_read_by_its_owner_alone(tmp_path):
    """From its first byte on."""
    write_private(tmp_path / "addresses.json", "{}")

    assert stat.S_IMODE((tmp_path / "addresses.json").stat().st_mode) == 0o600
