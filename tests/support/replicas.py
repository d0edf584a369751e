"""Servers that stand in for one another: a Valkey with a replica and sentinels, a PostgreSQL with a standby."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from redis import Redis
from redis.exceptions import ConnectionError as ConnectionLost

from shared.dev_stack.embedded.postgres import EmbeddedPostgres
from shared.dev_stack.embedded.programs import valkey_binary
from shared.dev_stack.embedded.redis import EmbeddedRedis
from shared.dev_stack.embedded.server import ServerState, free_port
from shared.private_files import write_private
from tests.support.databases import with_data
from tests.support.oracle import checkpoint
from tests.support.patience import until

SERVICE = "muster"
QUORUM = 2
HASTE: Mapping[str, int] = {"down-after-milliseconds": 2_000, "failover-timeout": 5_000}
"""
By which sentinels soon believe that a master is gone, and try again soon to agree on another.

They promote no replica that had stopped to follow ten times as long before.
"""

PATIENCE: Mapping[str, int] = {"down-after-milliseconds": 30_000, "failover-timeout": 180_000}
"""Their own: a server of a busy machine is not taken for gone, and a replica that follows no more is left alone."""
OFTEN: Mapping[str, int] = {"info-period": 500, "publish-period": 200}
"""Milliseconds after which they ask servers, and tell the others, anew; the defaults are 10 seconds and 2."""


class EmbeddedSentinel(EmbeddedRedis):
    """Watches one Redis, under the name `SERVICE`; writes what it learns into its own configuration."""

    name = "Sentinel"

    def __init__(self, directory: Path, *, watches: EmbeddedRedis) -> None:
        super().__init__(directory)
        self._watched = watches

    def _make(self) -> None:
        self.data.mkdir(exist_ok=True)
        share_password(self.directory)
        if not self._configuration.exists():
            write_private(self._configuration, "\n".join(self._lines()) + "\n")

    def _lines(self) -> Iterator[str]:
        yield from ("bind 127.0.0.1", f"port {self.port}", f'dir "{self.data}"')
        yield from (f"requirepass {PASSWORD}", f"sentinel sentinel-pass {PASSWORD}")
        yield f"sentinel monitor {SERVICE} 127.0.0.1 {self._watched.port} {QUORUM}"
        yield f"sentinel auth-pass {SERVICE} {PASSWORD}"

    def _command(self) -> Sequence[str]:
        return [str(valkey_binary()), str(self._configuration), "--sentinel"]


PASSWORD = "shared-by-all-of-them"


def share_password(directory: Path) -> None:
    """Settle a server's password before its first start: a promoted server is asked for the same."""
    directory.mkdir(parents=True, exist_ok=True)
    write_private(directory / "password", PASSWORD)


@dataclass
class ReplicatedRedis:
    """A master, its replica, and three sentinels."""

    master: EmbeddedRedis
    replica: EmbeddedRedis
    sentinels: Sequence[EmbeddedSentinel]

    @property
    def url(self) -> str:
        """As an operator writes it; the first sentinel named is one that is not there."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in (free_port(), *(each.port for each in self.sentinels)))
        return f"redis+sentinel://:{PASSWORD}@{hosts}/{SERVICE}/0?sentinel_password={PASSWORD}"

    async def settled(self, *, master: EmbeddedRedis, replica: EmbeddedRedis) -> None:
        """Return once the replica follows, and every sentinel knows it, the others, and who is the master."""
        await until(lambda: _follows(replica, master.port))
        for sentinel in self.sentinels:
            await until(lambda sentinel=sentinel: _knows_all(sentinel, master.port))

    def kill_master(self) -> None:
        """End it as a crash would; not before then are the sentinels in haste."""
        self.master.kill()
        self._have_sentinels_wait(HASTE)

    async def promoted(self) -> None:
        """Return once the replica is a master."""
        await until(lambda: _is_master(self.replica))
        self._have_sentinels_wait(PATIENCE)

    def _have_sentinels_wait(self, limits: Mapping[str, int]) -> None:
        for each in self.sentinels:
            with client_of(each) as redis:
                for name, milliseconds in limits.items():
                    redis.sentinel_set(SERVICE, name, milliseconds)


@contextmanager
def replicated_redis(home: Path) -> Iterator[ReplicatedRedis]:
    with ExitStack() as stack:
        for name in ("master", "replica"):
            share_password(home / name)
        options = {"masterauth": PASSWORD, "repl-diskless-sync-delay": "0"}  # there are no more replicas to wait for
        master = stack.enter_context(EmbeddedRedis(home / "master", options=options))
        follows = {**options, "replicaof": f"127.0.0.1 {master.port}"}
        replica = stack.enter_context(EmbeddedRedis(home / "replica", options=follows))
        sentinels = [
            stack.enter_context(EmbeddedSentinel(home / f"sentinel-{nth}", watches=master)) for nth in range(3)
        ]
        for each in sentinels:
            with client_of(each) as redis:
                redis.execute_command("SENTINEL", "DEBUG", *chain.from_iterable(OFTEN.items()))
        yield ReplicatedRedis(master, replica, sentinels)


def client_of(server: EmbeddedRedis) -> Redis:
    return Redis.from_url(server.url, decode_responses=True)


def checkpoint_on(server: EmbeddedRedis) -> int:
    """Where the live profiles stand on this one server."""
    with Redis.from_url(server.url) as redis:
        return checkpoint(redis).position


def _follows(replica: EmbeddedRedis, port: int) -> bool:
    try:
        with client_of(replica) as redis:
            told: Any = redis.info("replication")
    except ConnectionLost:  # a sentinel that makes a replica of a server hangs up on its clients
        return False
    return told["role"] == "slave" and told["master_port"] == port and told["master_link_status"] == "up"


def _is_master(server: EmbeddedRedis) -> bool:
    with suppress(ConnectionLost), client_of(server) as redis:  # it hangs up when it is promoted, too
        return bool(redis.role()[0] == "master")
    return False


def _knows_all(sentinel: EmbeddedSentinel, port: int) -> bool:
    with client_of(sentinel) as redis:
        told: Any = redis.sentinel_master(SERVICE)
    return (told["port"], told["num-slaves"], told["num-other-sentinels"], told["is_odown"]) == (port, 1, 2, False)


class EmbeddedStandby(EmbeddedPostgres):
    """A PostgreSQL that follows another, until it is promoted."""

    name = "PostgreSQL standby"

    def __init__(self, directory: Path, *, of: EmbeddedPostgres) -> None:
        super().__init__(directory)
        self._primary = of

    @property
    def url(self) -> str:
        """With the password of the primary, which it has copied with all else."""
        return self._primary.url.replace(f":{self._primary.port}/", f":{self.port}/")

    def promote(self) -> None:
        """Return once it is the primary."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            assert connection.execute("select pg_promote()").fetchall() == [(True,)]

    def _make_data(self) -> None:
        self._run(
            "pg_basebackup",
            *("--dbname", self._primary.url, "--pgdata", self._reachable(self.data)),
            *("--write-recovery-conf", "--checkpoint", "fast", "--no-sync"),
        )

    def _state(self) -> ServerState:
        try:
            psycopg.connect(self.url, connect_timeout=1).close()
        except psycopg.OperationalError:
            return ServerState.SILENT
        return ServerState.READY


@dataclass
class ReplicatedPostgres:
    """A primary that tells nobody that it has committed before its standby has it too."""

    primary: EmbeddedPostgres
    standby: EmbeddedStandby

    @property
    def url(self) -> str:
        """Both hosts, the first primary first."""
        parts = conninfo_to_dict(self.primary.url)
        hosts = f"127.0.0.1:{self.primary.port},127.0.0.1:{self.standby.port}"
        return f"postgresql://{parts['user']}:{parts['password']}@{hosts}/{parts['dbname']}"


@contextmanager
def replicated_postgres(home: Path) -> Iterator[ReplicatedPostgres]:
    with (
        EmbeddedPostgres(with_data(home / "primary")) as primary,
        EmbeddedStandby(home / "standby", of=primary) as standby,
    ):
        with psycopg.connect(primary.url, autocommit=True) as connection:
            connection.execute("alter system set synchronous_standby_names = '*'")
            connection.execute("select pg_reload_conf()")
        yield ReplicatedPostgres(primary, standby)
