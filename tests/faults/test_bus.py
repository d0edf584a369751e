"""Commands of the bus are applied once and in order, and every message is answered, whatever kills its consumers."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest
from redis import Redis

from shared.dev_stack.embedded.redis import EmbeddedRedis
from shared.events import HandleChanged, ProfileUpdated
from tests.support.bus import BusClient
from tests.support.patience import SECONDS, wait_until
from tests.support.served import CONSUME, ServedApp
from tests.support.write_side import postgres_write_side

SHARDS = 4
POISON = (b"\xff\xfe", b'{"command": "fly"}', b'{"command": "close-account", "account": "@x", "why": 1}', b" " * 70_000)


class Sent(NamedTuple):
    """A message, and how it is to end: `applied` (or `replayed`), `refused` or `poison`."""

    account: str
    body: bytes
    ending: str


def message(account: str, ending: str, /, **fields: Any) -> Sent:
    return Sent(account, msgspec.json.encode(fields), ending)


def life(account: str, changes: int) -> Iterator[Sent]:
    """What happens to an account: each change names it in the way that the ones before it have made right."""
    name = f"@{account}"
    yield message(
        account,
        "applied",
        command="register-account",
        email=f"{account}@example.org",
        handle=account,
        display_name=account,
    )
    for nth in range(changes):
        if nth % 7 == 3:
            handle = f"{account}.{nth}"
            yield message(account, "applied", command="change-handle", account=name, handle=handle)
            yield message(account, "refused", command="update-profile", account=name, title="late")
            name = f"@{handle}"
        yield message(
            account,
            "applied",
            command="update-profile",
            account=name,
            title=str(nth),
            idempotency_key=f"{account}-{nth}",
        )


def woven(lives: list[list[Sent]], choose: random.Random) -> list[Sent]:
    """All lives at once, each in its order; some messages come twice, and some are poison."""
    queues = [list(reversed(each)) for each in lives]
    sent: list[Sent] = []
    while queues := [each for each in queues if each]:
        sent.append(choose.choice(queues).pop())
        if choose.random() < 0.1 and b"idempotency_key" in sent[-1].body:
            sent.append(sent[-1])
        if choose.random() < 0.02:
            sent.append(Sent(sent[-1].account, choose.choice(POISON), "poison"))
    return sent


@contextmanager
def consumers(count: int, **options: Any) -> Iterator[tuple[list[ServedApp], Callable[[], None]]]:
    """Several, and what launches one more; all end with the test."""
    running: list[ServedApp] = []

    def launch() -> None:
        running.append(ServedApp(CONSUME, **options))
        running[-1].launch()

    try:
        for _ in range(count):
            launch()
        yield running, launch
    finally:
        for each in running:
            each.kill()


def shards(consumer: ServedApp) -> int:
    """How many it carries out; 0 while it does not serve."""
    try:
        text = httpx.get(f"{consumer.url}/metrics", trust_env=False, timeout=SECONDS).text
    except httpx.TransportError:
        return 0
    return next((int(float(line.split()[1])) for line in text.splitlines() if line.startswith("muster_bus_shards ")), 0)


def ending_of(answer: dict[str, Any], dead: set[str], message: str) -> str:
    if message in dead:
        return "poison"
    return "applied" if answer["status"] == 200 else "refused"


@pytest.mark.parametrize(
    ("accounts", "changes", "kills"),
    [pytest.param(15, 14, 2, id="short"), pytest.param(100, 42, 10, id="whole", marks=pytest.mark.soak)],
)
async def test_each_command_is_applied_once_though_consumers_are_killed(
    tmp_path, database_url, accounts, changes, kills
):
    """In the order of its account, whose handle changes; what comes twice is replayed, poison is set aside."""
    choose = random.Random(kills)
    sent = woven([list(life(f"a{nth}", changes)) for nth in range(accounts)], choose)

    with EmbeddedRedis(tmp_path / "redis", fsync="no") as server, Redis.from_url(server.url) as redis:
        bus = BusClient(redis, shards=SHARDS)
        settings = {
            "MUSTER_DATABASE_URL": database_url,
            "MUSTER_BUS_URL": server.url,
            "MUSTER_BUS_SHARDS": str(SHARDS),
        }
        with consumers(3, log=tmp_path / "consumers.log", **settings) as (running, launch):
            wait_until(lambda: sum(map(shards, running)) == SHARDS)
            ids = [bus.send(each.account, each.body) for each in sent]
            for kill in range(kills):
                mark = (kill + 1) * len(sent) // (kills + 2)
                wait_until(lambda mark=mark: bus.answered() >= mark)
                choose.shuffle(running)
                running.pop().kill()
                launch()
            wait_until(lambda: not bus.left())
        answers, dead = bus.answers(), {each for each, _ in bus.dead_letters()}

    assert Counter(each for each, _ in answers) == Counter(ids)
    told = dict(answers)
    assert [ending_of(told[each], dead, each) for each in ids] == [each.ending for each in sent]
    async with postgres_write_side(database_url) as write_side:
        events = await write_side.events()
    assert len(events) == len({each.body for each in sent if each.ending == "applied"}) + accounts
    titles: dict[Any, list[int]] = {}
    for each in events:
        if isinstance(each.event, ProfileUpdated):
            titles.setdefault(each.event.account_id, []).append(int(each.event.title))
    assert list(titles.values()) == [list(range(changes))] * accounts
    assert sum(isinstance(each.event, HandleChanged) for each in events) == accounts * len(range(3, changes, 7))
