"""One account of a thousand that a release cannot fold: what readers and operators see, and how it ends."""

import asyncio
from contextlib import asynccontextmanager
from uuid import UUID

import httpx
import msgspec
import pytest

from projector.main import projector_app
from projector.projections.activity import activity
from projector.projections.groups import groups
from projector.projections.profiles import profiles
from projector.projections.stats import stats
from projector.services import register_redis
from shared.auth.setup import admit_everyone
from shared.dev_stack.embedded_redis import EmbeddedRedis
from shared.event_log.adapters.postgres import PostgresEventLog
from tests.support.apps import app_client
from tests.support.bugs import of_account, poisoned
from tests.support.commands import muster
from tests.support.patience import SECONDS
from tests.support.stack import service, until

PEOPLE = 1_000
OTHERS = (groups, activity, stats)


@pytest.fixture
def redis(tmp_path):
    """A read model of its own, beside that of the stack."""
    with EmbeddedRedis(tmp_path / "redis") as server:
        yield server


@asynccontextmanager
async def projector(stack, redis, profiles):
    """The projector in this process, with one of its projections exchanged; everything else is as in production."""

    def register(registry):
        log = PostgresEventLog(stack.addresses.database_url)
        register_redis(registry, url=redis.url, log=log, projections=(profiles, *OTHERS))

    async with app_client(projector_app, admit_everyone, register) as ops:
        yield ops


async def post(client, commands):
    """The answers to a stream of commands, each of which is done."""
    body = b"\n".join(map(msgspec.json.encode, commands))
    answer = await client.post("/commands", content=body, headers={"Content-Type": "application/x-ndjson"}, timeout=60)
    told = [msgspec.json.decode(line) for line in answer.text.splitlines()]
    assert [200] * len(commands) == [each["status"] for each in told]
    return told


def registrations():
    return [
        {
            "command": "register-account",
            "handle": f"parking-{n}",
            "email": f"p{n}@parking.org",
            "display_name": f"P {n}",
        }
        for n in range(PEOPLE)
    ]


def changes(ids, bad):
    """A title for everybody, and another handle for one."""
    titles = [{"command": "update-profile", "account": account, "title": "Dr"} for account in ids]
    return [*titles, {"command": "change-handle", "account": bad, "handle": "parking-new"}]


async def records(read, ids, *, position):
    """Everybody, once the read side has come so far."""
    found = {}
    for start in range(0, len(ids), 500):

        async def batch(wanted=ids[start : start + 500]):
            answer = await read.post(
                "/profiles/batch-get", json={"ids": wanted}, headers={"Muster-Min-Position": str(position)}
            )
            return answer if answer.status_code == 200 else None

        found |= {each["account_id"]: each for each in (await until(batch)).json()["found"]}
    return found


async def test_one_account_is_parked_and_the_others_are_current_until_the_bug_is_mended(stack, redis, tmp_path):
    """Everybody is given a title; one change cannot be folded. Then the release that can is started."""
    async with projector(stack, redis, profiles) as ops:
        await until(lambda: is_filled(ops))
    async with (
        stack.client(stack.addresses.write) as write,
        service("read", tmp_path / "read.log", MUSTER_REDIS_URL=redis.url, MUSTER_HOME=str(tmp_path)) as (url, _),
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=SECONDS) as read,
    ):
        registered = await post(write, registrations())
        ids, begun = [each["id"] for each in registered], registered[-1]["position"]
        bad = ids[500]
        fails = of_account(UUID(bad))
        planted = poisoned(profiles, lambda recorded: recorded.position > begun and fails(recorded))
        async with projector(stack, redis, planted) as ops:
            head = (await post(write, changes(ids, bad)))[-1]["position"]
            found = await records(read, ids, position=head)
            status = (await ops.get("/status")).json()
            listed = (await ops.get("/parked")).json()
            by_handle = await read.get("/profiles/by-handle/parking-500")
            parked = await verified(stack, redis)

        assert (parked["differences"], parked["stale"]) == (0, 1), parked["details"]
        assert {"Dr"} == {each["title"] for id_, each in found.items() if id_ != bad}
        assert [bad] == [id_ for id_, each in found.items() if "stale_since" in each]
        assert found[bad]["title"] is None
        assert by_handle.json()["stale_since"] == found[bad]["stale_since"]
        assert next((each["parked"], each["name"]) for each in status["projections"]) == (1, "profiles")
        [document] = listed["parked"]
        assert (document["id"], len(document["waiting"])) == (bad, 2)

        async with projector(stack, redis, profiles) as ops:
            await until(lambda: is_filled(ops))
            found = await records(read, ids, position=head)
            mended = await verified(stack, redis)

        assert (mended["differences"], "stale" in mended) == (0, False), mended["details"]
        assert {("Dr", False)} == {(each["title"], "stale_since" in each) for each in found.values()}
        assert found[bad]["handle"] == "parking-new"
        assert found[bad] == (await read.get("/profiles/by-handle/parking-new")).json()


async def verified(stack, redis):
    """What `muster verify` says of that read model, while the projector in this process goes on."""
    ended = await asyncio.to_thread(muster, stack.home, "verify", "--json", MUSTER_REDIS_URL=redis.url)
    assert ended.returncode == 0, ended.stderr
    return msgspec.json.decode(ended.stdout)


async def is_filled(ops):
    """Each has come so far that readers are served; the projector has looked at all that was parked."""
    told = (await ops.get("/status")).json()
    known = told["error"] is None  # otherwise nobody can say what is parked
    return known and all((each["state"], each["parked"]) == ("running", 0) for each in told["projections"])


def test_the_command_line_shows_that_nothing_is_parked(stack):
    """`muster parked list --json` asks the projector of its home."""
    ended = muster(stack.home, "parked", "list", "--json")

    assert ended.returncode == 0, ended.stderr
    assert {"parked", "skipped"} == msgspec.json.decode(ended.stdout).keys()


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["retry", "profiles", "nobody"], 1, "Nothing is parked in profiles for nobody"),
        (["retry", "nothing", "nobody"], 2, "There is no projection 'nothing'"),
        (["skip", "profiles", "nobody"], 2, "reason"),
        (["skipp"], 2, "skipp"),
    ],
)
def test_what_cannot_be_done_is_said_with_a_status(stack, arguments, status, said):
    ended = muster(stack.home, "parked", *arguments)

    assert (ended.returncode, ended.stdout) == (status, "")
    assert said in ended.stderr
