"""Check a Redis or Valkey, or every node of a cluster, for `muster doctor`."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import redis

from shared.dev_stack.doctor.checks import CONNECT_SECONDS, FAILED, OK, WARNING, Check, check
from shared.dev_stack.home_servers import nodes_at
from shared.dev_stack.recorded_layouts import layouts_at
from shared.read_model.layouts import LayoutsUnreadable
from shared.read_model.partitions import Partitions
from shared.redis.client import RedisTimeouts, connect_blocking
from shared.redis.cluster import BUS_TAG, HOME_TAG, Topology, slot_of, topology_of
from shared.settings import ENVIRONMENT, Settings, masked
from shared.urls.servers import ClusterUrl, is_cluster_url

OLDEST_REDIS = (7, 0)
OLDEST_VALKEY_WITH_ATOMIC_MOVES = 9
_TIMEOUTS = RedisTimeouts(connect=CONNECT_SECONDS)


def examine_servers(settings: Settings) -> Iterator[Check]:
    """Check that of the read models, and that of the bus where it has one of its own."""
    bus = {"the bus": [BUS_TAG]}
    if url := settings.redis_url:
        own = _is_ours(settings)  # whose replicas would be lost with it
        try:
            tags = _tags(url, settings)
        except LayoutsUnreadable as error:
            yield Check(FAILED, "partitions", str(error))
            tags = [HOME_TAG]
        held = {} if own else {"the read models": tags, **({} if settings.bus_url else bus)}
        yield from examine_redis(url, held=held, setting="MUSTER_REDIS_URL")
    if settings.bus_url:
        yield from examine_redis(settings.bus_url, held=bus, setting="MUSTER_BUS_URL")


def _tags(url: str, settings: Settings) -> Sequence[str]:
    """Return those of all layouts that are recorded; of what the settings say, where none is, or Redis is away."""
    layouts = None
    with suppress(redis.RedisError):
        layouts = layouts_at(url, timeouts=_TIMEOUTS)
    counts = (layouts.live, *layouts.beside) if layouts else (settings.partitions,)
    return [HOME_TAG, *(tag for count in counts for tag in Partitions(count).tags)]


def _is_ours(settings: Settings) -> bool:
    """Return whether the nodes are those that `muster up` has started at this home."""
    return settings.sources["redis_url"] != ENVIRONMENT and nodes_at(settings.home) is not None


def examine_redis(url: str, *, held: Mapping[str, Sequence[str]], setting: str) -> Iterator[Check]:
    """
    :param held: what is away if it is lost, by the hash tags.
    :param setting: that names the server.
    """
    try:
        yield from _cluster(url, held) if is_cluster_url(url) else _server(url)
    except redis.RedisError as error:
        yield Check(FAILED, f"Redis at {masked(url)}", f"{error}; start it, or mend {setting}")


def _server(url: str) -> Iterator[Check]:
    with _client(url) as client:
        information: Any = client.info()
        yield Check(OK, f"Redis answers at {masked(url)}")
        yield _version(information)
        single = not information.get("cluster_enabled")
        yield check(single, "Redis is no cluster", "name its nodes: redis+cluster://host:port,host:port")
        yield from _settings(client)


def _cluster(url: str, held: Mapping[str, Sequence[str]]) -> Iterator[Check]:
    """Check each node: any of them may be the owner tomorrow."""
    cluster = ClusterUrl.parse(url)
    topology = topology_of(cluster)
    yield Check(OK, f"Redis answers at {masked(url)}")
    for what, tags in held.items():
        yield from _replicated(topology, what, {slot_of(each) for each in tags})
    for node in topology.nodes:
        try:
            with _client(cluster.server(node)) as client:
                yield from _in_short(f"node {node}", list(_node(client)))
        except redis.RedisError as error:
            yield Check(FAILED, f"node {node}", f"{error}; start it, or have the cluster forget it")


def _replicated(topology: Topology, held: str, slots: Collection[int]) -> Iterator[Check]:
    hint = f"if it is lost {held} will be away until it is back: give it a replica"
    for owner, replicas in {around.owner: around.replicas for around in map(topology.around, slots)}.items():
        yield check(bool(replicas), f"{owner} has {held} and a replica", hint, otherwise=WARNING)


def _in_short(node: str, checks: list[Check]) -> Iterator[Check]:
    """Name what does not hold of a node, or say in one line that everything does."""
    wrong = [each for each in checks if each.mark != OK]
    yield from (each._replace(what=f"{node}: {each.what}") for each in wrong)
    if not wrong:
        yield Check(OK, f"{node}: {', '.join(each.what for each in checks)}")


def _node(client: "redis.Redis") -> Iterator[Check]:
    information: Any = client.info()
    yield _version(information)
    yield from _settings(client, is_node=True)
    valkey = int(str(information.get("valkey_version", "0")).split(".")[0])
    hint = "a slot is away while it is moved key by key: update to Valkey 9, and move by CLUSTER MIGRATESLOTS"
    yield check(valkey >= OLDEST_VALKEY_WITH_ATOMIC_MOVES, "slots move at once", hint, otherwise=WARNING)
    try:
        nodes: Any = client.execute_command("CLUSTER", "NODES")  # type: ignore[no-untyped-call]
    except redis.ResponseError as error:
        yield Check(WARNING, "slots that are half moved", f"they cannot be seen ({error})")
        return
    hint = "finish it, or CLUSTER SETSLOT … STABLE; what lies in it is away meanwhile"
    yield check("[" not in nodes, "no slot is half moved", hint)


def _settings_of_cluster(settings: Mapping[str, str]) -> Iterator[Check]:
    hint = "what is lost elsewhere would end reading here: config set cluster-require-full-coverage no"
    alone = settings["cluster-require-full-coverage"] == "no"
    yield check(alone, "full coverage is not required", hint, otherwise=WARNING)
    hint = "a node that was cut off would go on telling what was: config set cluster-allow-reads-when-down no"
    yield check(settings["cluster-allow-reads-when-down"] == "no", "no reads when down", hint)


def _client(url: str) -> "redis.Redis":
    return connect_blocking(url, timeouts=_TIMEOUTS)


def _version(information: dict[str, Any]) -> Check:
    version = str(information["redis_version"])
    recent = tuple(int(part) for part in version.split(".")[:2]) >= OLDEST_REDIS
    return check(recent, f"Redis speaks {version}", "7.0 or newer is needed")


def _settings(client: "redis.Redis", *, is_node: bool = False) -> Iterator[Check]:
    try:
        settings: Any = client.config_get("maxmemory-policy", "appendonly", "cluster-*")
    except redis.ResponseError as error:
        yield Check(WARNING, "Redis's settings", f"they cannot be read ({error}): make sure it never evicts")
        return
    policy = settings["maxmemory-policy"]
    hint = "records would vanish one by one: config set maxmemory-policy noeviction"
    yield check(policy == "noeviction", f"maxmemory-policy is {policy}", hint)
    hint = "after a restart every record has to be projected anew: config set appendonly yes"
    yield check(settings["appendonly"] == "yes", f"appendonly is {settings['appendonly']}", hint, otherwise=WARNING)
    if is_node:
        yield from _settings_of_cluster(settings)
