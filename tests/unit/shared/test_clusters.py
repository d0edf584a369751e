"""What a URL of a cluster says, and what its nodes say."""

from functools import partial
from inspect import isfunction

import pytest
from redis.exceptions import ConnectionError as ConnectionLost

from shared.dev_stack.embedded.cluster_forming import ClusterMember
from shared.read_model.keys import HOME, GenerationKeys, Keyspace, ProjectionKeys
from shared.redis.cluster import HOME_TAG, SlotOwner, Topology, asking_options, slot_of
from shared.redis.location import connection_options
from shared.redis.masters import MasterConnection, SecureMasterConnection
from shared.redis.node_clients import NodeClients
from shared.urls.servers import Address, ClusterUrl

ASKED = Address("seed", 7000)
SLOTS = [
    [0, 8191, ["10.0.0.1", 7001, "id"], ["10.0.0.2", 7002, "id", ["hostname", "h"]]],
    [8192, 8192, [None, 7003, "id", []]],
    [8193, 16383, ["10.0.0.1", 7001, "id"]],
]
WELL = "cluster_enabled:1\r\ncluster_state:ok\r\ncluster_slots_assigned:16384\r\n"


async def test_clients_of_nodes_that_were_closed_connect_to_no_node_any_more():
    """Nor to one that they had no connection to."""
    clients = NodeClients("redis+cluster://one")
    await clients.aclose()

    with pytest.raises(ConnectionLost, match="were closed"):
        clients.pool(Address("two", 7002))


def test_a_url_names_nodes_and_how_all_are_spoken_to():
    """The port of a node may be left out."""
    url = ClusterUrl.parse("redis+cluster://reader:p%40s,s@one,two:7001,[::1]:7002/0?socket_timeout=2")

    assert list(url.nodes) == [Address("one", 6379), Address("two", 7001), Address("::1", 7002)]
    assert url.server(Address("::2", 7009)) == "redis://reader:p%40s,s@[::2]:7009/0?socket_timeout=2"
    assert url.server(ASKED) == "redis://reader:p%40s,s@seed:7000/0?socket_timeout=2"


@pytest.mark.parametrize(
    "url",
    [
        "redis+cluster://one/1",
        "redis+cluster://one/people",
        "redis+cluster://",
        "redis+cluster://one,",
        "redis+cluster://one:port",
    ],
)
def test_what_names_no_cluster_is_refused(url):
    with pytest.raises(ValueError):
        ClusterUrl.parse(url)


def test_connections_know_how_to_find_the_owner():
    """By TLS where the URL says so, with all that it says."""
    plain = connection_options("redis+cluster://:p@one")
    secure = connection_options("rediss+cluster://u:p@one?ssl_ca_certs=/ca.pem")

    assert (plain["connection_class"], plain["password"]) == (MasterConnection, "p")
    assert (secure["connection_class"], secure["username"]) == (SecureMasterConnection, "u")
    assert secure["ssl_ca_certs"] == "/ca.pem"
    assert isinstance(plain["locator"], SlotOwner)


def test_the_owner_of_a_slot_is_found_in_its_range():
    """A node that names no host means its own."""
    topology = Topology.read(WELL, SLOTS, asked=ASKED)

    owners = {slot: topology.around(slot).owner for slot in (0, 8191, 8192, 8193, 16383)}

    first = Address("10.0.0.1", 7001)
    assert owners == dict.fromkeys((0, 8191, 8193, 16383), first) | {8192: Address("seed", 7003)}
    assert topology.nodes == [first, Address("seed", 7003), Address("10.0.0.2", 7002)]


def test_a_node_without_the_name_that_it_is_to_have_is_not_taken_for_the_one_that_was_asked():
    with pytest.raises(ConnectionLost, match="cluster-announce-hostname"):
        Topology.read(WELL, [[0, 16383, ["?", 7001, "id"]]], asked=ASKED)


def test_nodes_are_asked_for_half_a_second_whatever_the_url_allows_an_owner():
    """One may stand still, and the others know it too."""
    url = ClusterUrl.parse("rediss+cluster://reader:p@one?socket_timeout=30&socket_connect_timeout=20")

    asking = asking_options(url, ASKED)

    assert (asking["socket_timeout"], asking["socket_connect_timeout"]) == (0.5, 0.5)
    assert (asking["host"], asking["port"], asking["username"], asking["ssl"]) == ("seed", 7000, "reader", True)


async def test_a_node_may_be_forgotten_while_it_is_asked():
    """By another connection, which was told of a cluster without it."""
    owner, answered = SlotOwner(ClusterUrl.parse("redis+cluster://one,two"), tag="0"), []

    async def ask(node):
        owner.known = [Address("three", 6379)]
        answered.append(node)
        return node if node.host == "two" else None

    assert await owner.first(ask, otherwise="nobody") == Address("two", 6379)
    assert [each.host for each in answered] == ["one", "two"]
    assert [each.host for each in owner.known] == ["two", "three"]


def test_a_slot_may_have_no_owner():
    with pytest.raises(ConnectionLost, match="no node owns slot 9000"):
        Topology.read(WELL, SLOTS[:2], asked=ASKED).around(9000)


def test_a_node_that_is_cut_off_is_not_believed():
    """It may name itself although another took over."""
    with pytest.raises(ConnectionLost, match="sees no cluster that is well"):
        Topology.read(WELL.replace("ok", "fail"), SLOTS, asked=ASKED)


def test_all_that_one_transaction_reaches_lies_in_one_slot():
    """Whichever key is named, of whatever."""
    projection = HOME.projection("profiles")
    families = (HOME, Keyspace), (projection, ProjectionKeys), (projection.generation("g1"), GenerationKeys)

    names = {name for keys, kind in families for name in _names(keys, kind)}

    assert {slot_of(name.partition("{")[2].partition("}")[0]) for name in names} == {slot_of(HOME_TAG)}
    assert len(names) > 15


def _names(keys, kind):
    for attribute, found in vars(kind).items():
        if isinstance(found, property) and attribute not in {"projection", "prefix"}:
            yield getattr(keys, attribute)
        elif isfunction(found) and not attribute.startswith("_") and attribute not in {"projection", "generation"}:
            yield partial(found, keys)(*["1"] * (found.__code__.co_argcount - 1))


async def test_it_is_asked_anew_where_a_tag_is_once_its_node_cannot_be_reached(monkeypatch):
    clients, gone, heir = NodeClients("redis+cluster://one"), Address("127.0.0.1", 1), Address("two", 7002)
    owners = iter([gone, gone, heir])  # as the tag is looked for, at the connect, and anew

    async def ask():
        clients._nodes.tags = {next(owners): ["a"]}

    monkeypatch.setattr(clients._nodes, "ask", ask)
    client = clients.client("a")

    with pytest.raises(ConnectionLost):
        await client.get("{a}")
    assert [await clients.node_of("a"), await clients.node_of("a")] == [heir, heir]


async def test_a_connection_that_is_lost_while_it_is_asked_has_it_asked_once_more(monkeypatch):
    clients, owners = NodeClients("redis+cluster://one"), iter([ASKED, Address("two", 7002)])
    clients.client("a")

    async def ask():
        clients._nodes.tags = {next(owners): ["a"]}
        if clients._nodes.node_of("a") == ASKED:
            clients.forget()

    monkeypatch.setattr(clients._nodes, "ask", ask)

    assert [await clients.node_of("a") for _ in range(3)] == [ASKED, *[Address("two", 7002)] * 2]


PRIMARY = "a 10.0.0.1:7001@17001 master - 0 0 1 connected 0-16383"
REPLICA = "b 10.0.0.2:7002@17002 myself,slave a 0 0 1 connected"
ALL_WELL = {
    ("CLUSTER", "INFO"): "cluster_state:ok\r\ncluster_slots_ok:16384\r\ncluster_size:1\r\n",
    ("CLUSTER", "NODES"): f"{PRIMARY}\n{REPLICA}\n",
}


def a_replica_sees_all_well(answers, *, link="connected"):
    given = {**answers, ("ROLE",): ["slave", "10.0.0.1", 7001, link, 42]}

    class Answering(ClusterMember):
        def calls(self, *commands):
            return [given[command] for command in commands]

    node = Answering("redis://10.0.0.2:7002", Address("10.0.0.2", 7002), 17002)
    return node.sees_all_well(["a", "b"], primaries=1)


@pytest.mark.parametrize(
    ("command", "well", "not_yet"),
    [
        (("CLUSTER", "INFO"), "cluster_state:ok", "cluster_state:fail"),
        (("CLUSTER", "INFO"), "cluster_slots_ok:16384", "cluster_slots_ok:16383"),
        (("CLUSTER", "INFO"), "cluster_size:1", "cluster_size:2"),
        (("CLUSTER", "NODES"), f"{PRIMARY}\n", ""),
        (("CLUSTER", "NODES"), "master", "master,fail?"),
        (("CLUSTER", "NODES"), "1 connected 0", "1 disconnected 0"),
    ],
)
def test_not_all_is_well_with_a_cluster_of_which_one_thing_is_not(command, well, not_yet):
    assert well in ALL_WELL[command]
    assert a_replica_sees_all_well(ALL_WELL)

    assert not a_replica_sees_all_well({**ALL_WELL, command: ALL_WELL[command].replace(well, not_yet)})


def test_not_all_is_well_while_a_replica_does_not_follow():
    assert not a_replica_sees_all_well(ALL_WELL, link="sync")
