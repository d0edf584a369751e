"""The settings in the environment, and the line that refuses a wrong one."""

import io
import traceback
from pathlib import Path
from urllib.parse import urlencode

import msgspec
import pytest
import redis
import rich.console

from shared.errors import SettingsError
from shared.redis.location import connection_options, located
from shared.settings import Addresses, SettingMissingError, Settings, masked, printable
from shared.urls.servers import REDIS_PARAMETERS, ClusterUrl, SentinelUrl, parse_redis_url

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
        ("MUSTER_REDIS_URL", "redis+cluster://localhost/1", "a cluster has one database"),
        ("MUSTER_REDIS_URL", "redis://a:1,b:2", "write redis+sentinel://… or redis+cluster://…"),
        ("MUSTER_REDIS_URL", "redis+sentinel://a:1,b:2", "/service/database"),
        ("MUSTER_WRITE_URL", "localhost:8001", "http://host:port"),
        ("MUSTER_READ_WAIT", "soon", "seconds from 0"),
        ("MUSTER_READ_WAIT", "nan", "seconds from 0"),
        ("MUSTER_WORKERS", "1e1", "whole number from 1"),
        ("MUSTER_READ_WAIT", "-1", "seconds from 0"),
        ("MUSTER_IDEMPOTENCY_TTL", "0", "whole number from 1"),
        ("MUSTER_ACTIVITY_KEPT", "0", "from 1 to 10000"),
        ("MUSTER_PARTITIONS", "2", "choose 1, 3, 12"),
        ("MUSTER_REMINDER_AFTER", "0", "whole number from 1"),
        ("MUSTER_WEBHOOKS_ALLOW", "localhost", "write networks such as 10.0.0.0/8"),
        ("MUSTER_CLOSE_UNVERIFIED_AFTER", "0", "whole number of seconds"),
        ("MUSTER_CLOSE_UNVERIFIED_AFTER", "30d", "whole number of seconds"),
        ("MUSTER_MAIL_FROM", "muster", "write an address"),
        ("MUSTER_WORKERS", "two", "whole number from 1"),
        ("MUSTER_REBUILD", "always", "manual, auto"),
        ("MUSTER_LOG_FORMAT", "xml", "console, json"),
        ("MUSTER_AUTH", "maybe", "on, off"),
        ("MUSTER_ISSUER", "http://issuer.example", "https://host"),
        ("MUSTER_RATE_LIMIT", "600", "600/60"),
        ("MUSTER_RATE_LIMIT", "0/60", "600/60"),
        ("MUSTER_ISSUER", "https://issuer.example/?x=1", "https://host"),
        ("MUSTER_OPS_PORT", "70000", "from 1 to 65535"),
        ("MUSTER_HOME", "~nobody-of-that-name/muster", "write the whole path"),
        ("MUSTER_DATABASE_URL", "postgresql://u:p@localhost:bad/db", "port cannot be read"),
        ("MUSTER_DATABASE_URL", "postgresql://u:p@localhost/db?foo=1", "behind `?`"),
        ("MUSTER_DATABASE_URL", "postgresql://localhost/db?sslmod=require", "did you mean sslmode?"),
        ("MUSTER_DATABASE_URL", "postgresql://localhost/db?sslmode=bogus", "sslmode cannot be read: choose one of"),
        ("MUSTER_DATABASE_URL", "postgresql://localhost/db?connect_timeout=soon", "connect_timeout cannot be read"),
        ("MUSTER_DATABASE_URL", "postgresql://localhost/db?target_session_attrs=any&target_session_attrs=x", "twice"),
        ("MUSTER_DATABASE_URL", "postgresql://h:70000/db", "ports are 1 to 65535"),
        ("MUSTER_DATABASE_URL", "postgresql://[::1/db", "libpq cannot read it"),
        ("MUSTER_DATABASE_URL", "postgresql://h/db?application_name=%zz", "libpq cannot read it"),
        ("MUSTER_REDIS_URL", "redis://localhost:bad", "check the port"),
        ("MUSTER_REDIS_URL", "redis://h:1/1?tls=true", "it takes no 'tls' behind `?`"),
        ("MUSTER_REDIS_URL", "redis://h:1/1?foo=1", "it takes no 'foo' behind `?`"),
        ("MUSTER_REDIS_URL", "redis://h:1/1?socket_timout=1", "did you mean socket_timeout?"),
        ("MUSTER_REDIS_URL", "redis+cluster://h:1?max_connections=5", "it takes no 'max_connections' behind `?`"),
        ("MUSTER_REDIS_URL", "redis://h:1/1?ssl_ca_certs=/ca.pem", "it takes no 'ssl_ca_certs'"),
        ("MUSTER_REDIS_URL", "redis://h:1/1?decode_responses=true", "it takes no 'decode_responses'"),
        ("MUSTER_REDIS_URL", "redis://h:1/1?protocol=x", "protocol cannot be read: choose one of: 2, 3"),
        ("MUSTER_REDIS_URL", "redis://h:1/?db=one", "db cannot be read: write a whole number"),
        ("MUSTER_REDIS_URL", "redis://h:1/one", "a database is a number"),
        ("MUSTER_REDIS_URL", "redis://h:1/1/2", "a database is a number"),
        ("MUSTER_REDIS_URL", "redis://h:1/0?socket_timeout=nan", "socket_timeout cannot be read"),
        ("MUSTER_REDIS_URL", "redis://h:1/0?socket_timeout", "write seconds"),
        ("MUSTER_REDIS_URL", "rediss://h:1/0?ssl_cert_reqs=maybe", "ssl_cert_reqs cannot be read"),
        ("MUSTER_REDIS_URL", "redis://:pa#ss@h:1/0", "# as %23"),
        ("MUSTER_REDIS_URL", "redis://:12/pass@h:1/0", "it names no host"),
        ("MUSTER_REDIS_URL", "unix://", "unix:///path/to/socket"),
        ("MUSTER_REDIS_URL", "unix://run/redis.sock", "unix:///path/to/socket"),
        ("MUSTER_REDIS_URL", "redis+sentinel://h/people?sentinel_pasword=x", "did you mean sentinel_password?"),
        ("MUSTER_REDIS_URL", "redis+sentinel://h:bad/people", "check the port"),
        ("MUSTER_REDIS_URL", "redis+cluster://h:bad", "check the port"),
        ("MUSTER_REDIS_URL", "redis+cluster://h?db=0", "it takes no 'db'"),
        ("MUSTER_WRITE_URL", "http://h:bad", "write http://host:port"),
        ("MUSTER_READ_URL", "http://u:secret@h", "write http://host:port"),
        ("MUSTER_OPS_URL", "http://h/?a=1", "write http://host:port"),
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
        "unix:///run/redis.sock?db=1&password=p",
        "redis://",
        "redis://h?db=1&socket_timeout=0.5&health_check_interval=30&protocol=3",
        "rediss://u:p%23%2F@[::1]:6380/15?ssl_ca_certs=/ca.pem&ssl_check_hostname=false",
        "redis+sentinel://:p@h1:26379,h2/people/0",
        "rediss+sentinel://h/people",
        "redis+cluster://h1,h2:7000",
        "rediss+cluster://u:p@h1:6379,[::1]:6380/0?ssl_ca_certs=/ca.pem",
    ],
)
def test_every_kind_of_redis_is_accepted(url):
    """Three schemes, as contract.md lists them, one master that sentinels name, and a cluster."""
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
        ("redis+cluster://u:secret@h1:1,h2:2/0?socket_timeout=1", "redis+cluster://u:***@h1:1,h2:2/0?socket_timeout=1"),
    ],
)
def test_passwords_inside_urls_are_masked(url, shown):
    """Nothing of a password is left, wherever it stands."""
    assert shown == masked(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p%40@h1:1,h2:2/db?sslmode=verify-full&sslrootcert=/ca.pem",
        "postgres://u:p?w#@h/db?options=-csearch_path%3Dpeople&connect_timeout=3",
        "postgresql:///db?host=/run/postgresql&application_name=muster",
        "postgresql://h/db?ssl=true&keepalives_idle=5&target_session_attrs=any",
    ],
)
def test_what_libpq_reads_is_accepted(url):
    assert url == Settings.load({"MUSTER_DATABASE_URL": url}).database_url


@pytest.mark.parametrize("scheme", REDIS_PARAMETERS)
@pytest.mark.parametrize("url_of", [connection_options, located], ids=["asyncio", "blocking"])
def test_every_parameter_that_is_accepted_makes_a_connection(scheme, url_of):
    """One parser stands before the drivers of all processes and of `muster doctor`: neither of them may know better."""
    place = "/run/redis.sock" if scheme == "unix" else "h:1/" + ("people" if "sentinel" in scheme else "0")
    values = {name: VALUES.get(name, "1") for name in REDIS_PARAMETERS[scheme]}
    url = parse_redis_url(f"{scheme}://{place}?{urlencode(values)}")

    if "sentinel" in scheme:
        named = SentinelUrl.parse(url)
        url = named.server(named.sentinels[0])
    if "cluster" in scheme:
        cluster = ClusterUrl.parse(url)
        url = cluster.server(cluster.nodes[0])
    if url_of is connection_options:
        options = connection_options(url)
        assert options.pop("connection_class")(**options)
    else:
        pool = redis.Redis.from_url(url).connection_pool
        assert pool.connection_class(**pool.connection_kwargs)


VALUES = {"protocol": "3", "ssl_cert_reqs": "required", "ssl_check_hostname": "true"}


@pytest.mark.parametrize("around", ["{}\n", "\t {} \r\n", "{} "])
def test_white_space_around_a_setting_is_left_out(around):
    """As files and the secrets of Kubernetes have it."""
    settings = Settings.load(
        {
            "MUSTER_TOKEN": around.format("secret"),
            "MUSTER_REDIS_URL": around.format("redis://:p@h:1/0"),
            "MUSTER_ISSUER": around.format("https://issuer.example"),
            "MUSTER_HOME": "/home/ada ",
        }
    )

    assert settings.token.reveal() == "secret"
    assert (settings.redis_url, settings.issuer) == ("redis://:p@h:1/0", "https://issuer.example")
    assert settings.home == Path("/home/ada ")


@pytest.mark.parametrize("token", ["se cr3t", "s3cr3t\ns3cr3t", "s3cr3t\x00", "s3cr3té", "s3cr3t\x1b[0m"])
def test_a_token_that_no_header_can_carry_is_refused_without_being_shown(token):
    with pytest.raises(SettingsError, match="MUSTER_TOKEN is not usable: it holds blanks") as refused:
        Settings.load({"MUSTER_TOKEN": token})

    assert "cr3t" not in "".join(traceback.format_exception(refused.value))


def test_a_token_is_never_shown():
    """Not even its length, nor where settings show themselves: in a traceback, in a debugger."""
    settings = Settings.load({"MUSTER_TOKEN": "s3cr3t", "MUSTER_DATABASE_URL": "postgresql://u:s3cr3t@h/db"})
    shown = io.StringIO()
    rich.console.Console(file=shown).print(settings, ADDRESSES)

    assert printable(settings, "token") == "***"
    everything = f"{settings} {settings!r} {settings.token} {settings.token!r} {ADDRESSES!r} {shown.getvalue()}"
    assert "s3cr3t" not in everything.replace(":secret@", "s3cr3t")
    assert "postgresql://u:***@h/db" in repr(settings)


@pytest.mark.parametrize(
    "text",
    [
        "mysql://me:s3cr3t@h/db",
        "s3cr3t",
        "redis://:s3cr3t",
        "redis:s3cr3t@h",
        "redis://:1/s3cr3t@h",
        "redis://:1?s3cr3t@h",
        "redis://h?password=s3cr3t&x=1",
        "redis://:#s3cr3t@h",
        "postgresql://u:s3cr3t@[::1/db",
        "postgresql://u:s3cr3t@h:s3cr3t/db",
        "postgresql://h/db?sslmode=s3cr3t",
    ],
)
@pytest.mark.parametrize("name", ["MUSTER_DATABASE_URL", "MUSTER_REDIS_URL"])
def test_a_refused_url_does_not_give_its_password_away(name, text):
    """Error messages and tracebacks end up in logs, and what cannot be read may be a password."""
    with pytest.raises(SettingsError) as refused:
        Settings.load({name: text})

    assert "s3cr3t" not in "".join(traceback.format_exception(refused.value))
