"""The servers of a home: its PostgreSQL, and the one, or the nodes of a cluster, that have its read models."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from shared.dev_stack.embedded.postgres import EmbeddedPostgres
from shared.dev_stack.embedded.redis import EmbeddedRedis
from shared.dev_stack.home import HomeError
from shared.settings import Settings
from shared.wording import counted

if TYPE_CHECKING:
    from shared.dev_stack.embedded.cluster import ClusterNode, EmbeddedCluster

Nodes: TypeAlias = Literal[1, 3, 6]
"""How many servers: one, three that share the slots, or three with a replica each."""

PRIMARIES = 3
_DIRECTORIES: Mapping[Nodes, str] = {1: "redis", 3: "redis-3", 6: "redis-6"}


def postgres_of(settings: Settings, *, name: str = "postgres") -> EmbeddedPostgres:
    """Return the PostgreSQL of a home, which is made when it is started; by another name, one beside it."""
    log = settings.home / "logs" / "postgres.log"
    return EmbeddedPostgres(settings.home / "data" / name, log=log, binaries=settings.postgres_bin)


def nodes_at(home: Path) -> Nodes | None:
    """Return on how many servers a home has its read models; None if it has none yet."""
    return next((nodes for nodes in _DIRECTORIES if _directory(home, nodes).exists()), None)


def redis_at(
    home: Path, *, nodes: Nodes | None, binary: Path | None = None
) -> "EmbeddedRedis | EmbeddedCluster[ClusterNode]":
    """
    Return the servers of a home, which are made when they are started.

    :param nodes: as many as are wanted; by default those that the home has, or one.
    :raises HomeError: it has others.
    """
    has = nodes_at(home)
    if nodes and has and nodes != has:
        raise HomeError(
            f"{home} has its read models on {counted(has, 'node')}: start it without --nodes, or remove "
            f"{_directory(home, has)}, and they are filled anew from the log"
        )
    return _servers(home, nodes or has or 1, binary)


def empty_redis_at(home: Path) -> None:
    """Remove what a home has in Redis, on however many servers."""
    if has := nodes_at(home):
        _servers(home, has).empty()


def _servers(home: Path, nodes: Nodes, binary: Path | None = None) -> "EmbeddedRedis | EmbeddedCluster[ClusterNode]":
    directory, logs = _directory(home, nodes), home / "logs"
    if nodes == 1:
        return EmbeddedRedis(directory, log=logs / "redis.log", binary=binary)
    from shared.dev_stack.embedded.cluster import ClusterNode, EmbeddedCluster  # noqa: PLC0415 - brings a client along

    numbers = range(1, nodes + 1)
    each = [ClusterNode(directory / f"node-{nth}", log=logs / f"redis-{nth}.log", binary=binary) for nth in numbers]
    return EmbeddedCluster(directory, each, primaries=PRIMARIES)


def _directory(home: Path, nodes: Nodes) -> Path:
    return home / "data" / _DIRECTORIES[nodes]
