"""The projectors' leases in Redis."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha1
from typing import NamedTuple

import msgspec

from projector.adapters.redis.servers import Servers
from projector.folding.grouping import grouped
from projector.leadership.limits import LeadershipLimits
from projector.store.ports import Candidate, Candidates, LeaseName
from shared.errors import Unavailable
from shared.read_model.keys import HOME, Keyspace
from shared.redis.pipelined import pack
from shared.urls.servers import Address

_CHANGE = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2]) end
return 1"""
"""Put one holder in the place of another, where that stands; nobody is an empty string."""

_LOAD = pack("SCRIPT", "LOAD", _CHANGE)
_DIGEST = sha1(_CHANGE.encode(), usedforsecurity=False).hexdigest()

_NOBODY = b""


class RedisLease:
    """
    Each lease names a projector, and each projector has a sign of life, which runs out unless it is renewed.

    A lease is held as long as there is a sign of life, in its partition, of who it names. At rest a projector that has
    all that there is in the only partition renews that alone.
    """

    def __init__(
        self, url: str, *, partitions: Iterable[str] = (HOME.tag,), limits: LeadershipLimits | None = None
    ) -> None:
        """:param partitions: the hash tags of those that have leases."""
        tags = list(dict.fromkeys(partitions))
        self._servers = Servers(url, tags)
        self._is_shared = len(tags) > 1
        self._milliseconds = int((limits or LeadershipLimits()).lasting(partitions=len(tags)) * 1000)
        self._named: dict[LeaseName, bytes] = {}
        """Who each lease named when it was last renewed."""

    async def aclose(self) -> None:
        await self._servers.aclose()

    async def by_server(self, names: Sequence[LeaseName]) -> Sequence[Sequence[LeaseName]]:
        await self._servers.look()
        return list(grouped((self._server_of(each), each) for each in names).values())

    async def renew(self, candidate: Candidate, names: Sequence[LeaseName]) -> Candidates:
        member, server = msgspec.json.encode(candidate), self._server_of(names[0])
        if not self._is_shared and await self._has_all(candidate, member, names):
            return Candidates(dict.fromkeys(names, candidate), {HOME.tag: [candidate]})
        signs = [
            each
            for keyspace in _keyspaces(names)
            for each in (
                pack("SADD", keyspace.projectors, member),
                pack("SET", keyspace.projector(candidate.id), b"", "PX", self._milliseconds),
            )
        ]
        seen = await self._look(names, *signs)
        self._named |= seen.named
        alive = await self._alive(server, seen.listed, {member: candidate})
        dead = {tag: members - alive[tag].keys() for tag, members in seen.listed.items()}
        await self._servers.exchange(
            server, *(pack("SREM", Keyspace(tag).projectors, *members) for tag, members in dead.items() if members)
        )
        return seen.candidates(alive)

    async def take(self, candidate: Candidate, names: Sequence[LeaseName]) -> frozenset[LeaseName]:
        member = msgspec.json.encode(candidate)
        return await self._changed({each: (self._named.get(each, _NOBODY), member) for each in names})

    async def release(self, candidate: Candidate, names: Sequence[LeaseName]) -> None:
        await self._changed(dict.fromkeys(names, (msgspec.json.encode(candidate), _NOBODY)))

    async def leave(self, candidate: Candidate, names: Sequence[LeaseName]) -> None:
        member = msgspec.json.encode(candidate)
        gone = [
            each
            for keyspace in _keyspaces(names)
            for each in (pack("SREM", keyspace.projectors, member), pack("DEL", keyspace.projector(candidate.id)))
        ]
        await self._servers.exchange(self._server_of(names[0]), *gone)
        await self.release(candidate, names)

    async def candidates(self, names: Sequence[LeaseName]) -> Candidates:
        answers = await asyncio.gather(*map(self._candidates, await self.by_server(names)))
        found = [each for each in answers if isinstance(each, Candidates)]
        if not found:
            raise next(each for each in answers if isinstance(each, Unavailable))
        return Candidates(
            {name: each for one in found for name, each in one.holders.items()},
            {tag: each for one in found for tag, each in one.present.items()},
        )

    async def _candidates(self, names: Sequence[LeaseName]) -> Candidates | Unavailable:
        try:
            seen = await self._look(names)
            return seen.candidates(await self._alive(self._server_of(names[0]), seen.listed, {}))
        except Unavailable as error:
            return error

    async def _has_all(self, candidate: Candidate, member: bytes, names: Sequence[LeaseName]) -> bool:
        """Renew the sign of life; return whether there was one, and all leases name the candidate."""
        renewed = pack("PEXPIRE", HOME.projector(candidate.id), self._milliseconds)
        is_there, holders = await self._servers.exchange(
            self._server_of(names[0]), renewed, pack("MGET", *map(_key, names))
        )
        return bool(is_there) and set(holders) == {member}

    async def _look(self, names: Sequence[LeaseName], *first: bytes) -> "_Listing":
        """Send some commands first."""
        places = grouped((each.partition, each) for each in names)
        looks = [
            each
            for tag, own in places.items()
            for each in (pack("MGET", *map(_key, own)), pack("SMEMBERS", Keyspace(tag).projectors))
        ]
        replies = (await self._servers.exchange(self._server_of(names[0]), *first, *looks))[len(first) :]
        seen = _Listing({}, {})
        for (tag, own), members, listed in zip(places.items(), replies[::2], replies[1::2], strict=True):
            seen.named.update(zip(own, (each or _NOBODY for each in members), strict=True))
            seen.listed[tag] = {*listed, *filter(None, members)}
        return seen

    async def _alive(
        self, server: Address | None, listed: Mapping[str, set[bytes]], known: Mapping[bytes, Candidate]
    ) -> Mapping[str, Mapping[bytes, Candidate]]:
        """
        Return those with a sign of life: none lasts longer than when given, but by a server's clock that was set.

        :param known: those that have just given one.
        """
        asked = [
            (tag, member, msgspec.json.decode(member, type=Candidate))
            for tag, members in listed.items()
            for member in members - known.keys()
        ]
        left = await self._servers.exchange(
            server, *(pack("PTTL", Keyspace(tag).projector(each.id)) for tag, _, each in asked)
        )
        alive = {tag: {each: known[each] for each in members & known.keys()} for tag, members in listed.items()}
        for (tag, member, each), milliseconds in zip(asked, left, strict=True):
            if 0 < milliseconds <= self._milliseconds:
                alive[tag][member] = each
        return alive

    async def _changed(self, changes: Mapping[LeaseName, tuple[bytes, bytes]]) -> frozenset[LeaseName]:
        """Put one holder in the place of another; return the leases of which that was so."""
        if not (names := list(changes)):
            return frozenset()
        packed = [pack("EVALSHA", _DIGEST, 1, _key(each), *changes[each]) for each in names]
        _, *done = await self._servers.exchange(self._server_of(names[0]), _LOAD, *packed)
        return frozenset(each for each, is_done in zip(names, done, strict=True) if is_done)

    def _server_of(self, name: LeaseName) -> Address | None:
        return self._servers.of(name.partition)


class _Listing(NamedTuple):
    """
    The state of some leases.

    :ivar named: who each of them names.
    :ivar listed: all that are listed or named in a partition.
    """

    named: dict[LeaseName, bytes]
    listed: dict[str, set[bytes]]

    def candidates(self, alive: Mapping[str, Mapping[bytes, Candidate]]) -> Candidates:
        holders = {name: alive[name.partition].get(member) for name, member in self.named.items()}
        return Candidates(
            {name: each for name, each in holders.items() if each},
            {tag: list(each.values()) for tag, each in alive.items()},
        )


def _keyspaces(names: Sequence[LeaseName]) -> Sequence[Keyspace]:
    return [Keyspace(tag) for tag in dict.fromkeys(each.partition for each in names)]


def _key(name: LeaseName) -> str:
    return Keyspace(name.partition).projection(name.projection).lease(name.version)
