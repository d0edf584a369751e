"""Nodes become one cluster: those of `muster up`, and those of compose.yaml by its own commands."""

import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as ConnectionLost

from shared.dev_stack import up
from shared.dev_stack.embedded.cluster_forming import BUS
from shared.dev_stack.embedded.launched_program import stop_process
from shared.dev_stack.embedded.programs import valkey_binary
from shared.dev_stack.embedded.server import GIVEN_TO_NONE, free_port, is_free
from shared.dev_stack.home import HomeError
from shared.dev_stack.home_servers import nodes_at, redis_at
from shared.read_model.keys import HOME
from shared.read_model.layouts import Layouts
from shared.redis.client import connect_blocking
from shared.redis.cluster import topology_of
from shared.redis.location import located
from shared.runtime.exit_with_parent import ending_with_parent
from shared.settings import Settings
from shared.urls.servers import ClusterUrl
from tests.support.composed import PASSWORDS, composed
from tests.support.patience import wait_until
from tests.support.stack import environment

TAGS = ["0", "a", "b", "c", "d"]
NODES = [f"valkey-{nth}" for nth in range(1, 7)]


@contextmanager
def running(home, **how):
    """The servers of a home, as `muster up` starts them."""
    (home / "logs").mkdir(parents=True, exist_ok=True)
    redis = redis_at(home, **how)
    with ExitStack() as stack:
        for node in redis.nodes:
            stack.enter_context(node)
        redis.form()
        yield redis


def first_partitions(redis):
    """What `muster up` wishes for, if nothing is set."""
    return up._first_partitions(up.Stack(Settings.load({}), None, redis))


def all_keys(url):
    """What stands under a key of each tag, wherever that is."""
    found = {}
    for tag in TAGS:
        with Redis.from_url(located(url, tag=tag), decode_responses=True) as client:
            found[tag] = client.get(f"{{{tag}}}")
    return found


def test_nodes_that_have_other_ports_are_the_cluster_that_they_were(server_home):
    """
    Of a home that is started again, as many as there were; with another number it says what can be done.

    Its partitions are as many as its nodes at first, and stay what they have become.
    """
    home = server_home / "nodes"
    with running(home, nodes=3) as redis:
        for tag in TAGS:
            with Redis.from_url(located(redis.url, tag=tag)) as client:
                client.set(f"{{{tag}}}", tag)
        assert first_partitions(redis) == 3
        with connect_blocking(redis.url) as client:
            client.set(HOME.partitions, Layouts(live=12).encoded)
        before, ports = topology_of(ClusterUrl.parse(redis.url)), {node.port for node in redis.nodes}

    with running(home, nodes=None) as redis:
        assert all_keys(redis.url) == dict(zip(TAGS, TAGS, strict=True))
        assert first_partitions(redis) is None
        after = topology_of(ClusterUrl.parse(redis.url))
        assert [(each.first, each.last) for each in after.ranges] == [(each.first, each.last) for each in before.ranges]
        assert {owner.port for owner in after.owners}.isdisjoint(ports)

    with pytest.raises(HomeError, match=r"has its read models on 3 nodes: .* remove .*/data/redis-3"):
        redis_at(home, nodes=1)
    redis_at(home, nodes=3).empty()
    assert (nodes_at(home), nodes_at(server_home)) == (None, None)


def port_with_a_bus():
    """One that is free, and its neighbour by which nodes speak with one another, if nothing else is set."""
    return next(port for port in iter(free_port, None) if port + BUS in GIVEN_TO_NONE and is_free(port + BUS))


@contextmanager
def started(service, folder, port):
    """A node of compose.yaml, by the command that stands there, but for its directory and its port."""
    folder.mkdir()
    shell, option, said = service["command"]
    here = f"dir {folder}\nport {port}\nbind 127.0.0.1"
    command = [shell, option, said.replace("$$", "$").replace("dir /data", here)]
    path = f"{valkey_binary().parent}:{os.defpath}"
    process = subprocess.Popen(
        ending_with_parent(command), env={**service["environment"], "PATH": path}, stdout=subprocess.DEVNULL
    )
    try:
        yield f"redis://:{PASSWORDS['VALKEY_PASSWORD']}@127.0.0.1:{port}"
    finally:
        stop_process(process, 15)


def answers(url):
    try:
        with Redis.from_url(url) as client:
            return client.ping()
    except ConnectionLost:
        return False


@pytest.mark.parametrize("service", ["valkey", NODES[0]])
def test_a_server_of_compose_hears_when_its_container_is_to_end(server_home, service):
    with started(composed()[service], server_home / f"{service}-alone", port_with_a_bus()) as url:
        wait_until(lambda: answers(url))
        with Redis.from_url(url, decode_responses=True) as client:
            told = client.config_get("maxmemory-policy", "appendonly")

    assert told == {"maxmemory-policy": "noeviction", "appendonly": "yes"}
    assert not answers(url)


def test_what_compose_starts_becomes_a_cluster_with_replicas_by_its_one_shot(server_home):
    """Also if that runs again, as it does at each start."""
    services = composed()
    ports = {name: port_with_a_bus() for name in NODES}
    named = services["cluster"]["environment"]["MUSTER_REDIS_URL"]
    for name, port in ports.items():
        named = named.replace(name, f"127.0.0.1:{port}")
    program, *arguments = [*services["cluster"]["entrypoint"], *services["cluster"]["command"]]
    with ExitStack() as stack:
        for name, port in ports.items():
            url = stack.enter_context(started(services[name], server_home / name, port))
            wait_until(lambda url=url: answers(url))
        for _ in range(2):
            environ = environment(MUSTER_REDIS_URL=named)
            subprocess.run([sys.executable, *arguments], env=environ, check=True, capture_output=True)
        formed = topology_of(ClusterUrl.parse(named))

    assert program == "python"
    owners = {(each.owner.port, tuple(replica.port for replica in each.replicas)) for each in formed.ranges}
    assert owners == {(ports[f"valkey-{nth}"], (ports[f"valkey-{nth + 3}"],)) for nth in (1, 2, 3)}
