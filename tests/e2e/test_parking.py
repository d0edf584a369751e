"""One account of many that a release cannot fold: what readers and operators see, and how it ends."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID

import msgspec
import pytest

from projector.main import projector_app
from projector.projections.activity import activity
from projector.projections.changes import changes as feed
from projector.projections.groups import groups
from projector.projections.profiles import profiles
from projector.projections.stats import stats
from projector.services import register_redis
from read_side.http.app import read_api
from read_side.services import redis_views, register_views
from shared.auth.setup import admit_everyone
from shared.dev_stack.embedded.redis import EmbeddedRedis
from shared.event_log.adapters.postgres import PostgresEventLog
from shared.settings import Settings
from tests.support.apps import app_client
from tests.support.bugs import of_account, poisoned
from tests.support.commands import muster
from tests.support.patience import patient_connector, until
from tests.support.read_side import PATIENCE
from tests.support.sessions import migrated_database
from write_side.http.app import write_api
from write_side.services import register_postgres

PEOPLE = 200
IN_BATCHES = Settings.load({"MUSTER_LIMITS": "processor.batch=50"})
OTHERS = (groups, activity, stats, feed)


class Servers:
    """The two databases, with the services on them in this process: all else is as in production."""

    def __init__(self, database_url, redis_url):
        self.variables = {"MUSTER_DATABASE_URL": database_url, "MUSTER_REDIS_URL": redis_url}
        self._database_url, self._redis_url = database_url, redis_url

    def write(self):
        def register(registry):
            register_postgres(registry, url=self._database_url)

        return app_client(write_api, admit_everyone, register)

    def read(self):
        def register(registry):
            register_views(registry, redis_views(patient_connector(self._redis_url), patience=PATIENCE))

        return app_client(read_api, admit_everyone, register)

    @asynccontextmanager
    async def projector(self, profiles):
        """With one of its projections exchanged; gives its own API once readers are served."""

        def register(registry):
            log = PostgresEventLog(self._database_url)
            given = (profiles, *OTHERS)
            register_redis(registry, url=self._redis_url, log=log, settings=IN_BATCHES, projections=given)

        async with app_client(projector_app, admit_everyone, register) as ops:
            yield ops


@pytest.fixture
def servers(stack, tmp_path):
    """A database of their own beside the stack's: each projector here folds all of it, and nothing else is in it."""
    with (
        migrated_database(stack.addresses.database_url) as url,
        EmbeddedRedis(tmp_path / "redis", appendonly=False) as redis,
    ):
        yield Servers(url, redis.url)


async def post(client, commands):
    """The answers to a stream of commands, each of which is done."""
    body = b"\n".join(map(msgspec.json.encode, commands))
    answer = await client.post("/commands", content=body, headers={"Content-Type": "application/x-ndjson"})
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


async def test_one_account_is_parked_and_the_others_are_current_until_the_bug_is_mended(servers, tmp_path):
    """Everybody is given a title; one change cannot be folded. Then the release that can is started."""
    async with AsyncExitStack() as stack:
        write, read = [await stack.enter_async_context(each) for each in (servers.write(), servers.read())]
        registered = await post(write, registrations())
        ids, begun = [each["id"] for each in registered], registered[-1]["position"]
        bad = ids[100]
        fails = of_account(UUID(bad))
        planted = poisoned(profiles, lambda recorded: recorded.position > begun and fails(recorded))
        async with servers.projector(planted) as ops:
            await until(lambda: is_filled(ops))
            head = (await post(write, changes(ids, bad)))[-1]["position"]
            found = await records(read, ids, position=head)
            status = (await ops.get("/status")).json()
            listed = (await ops.get("/parked")).json()
            by_handle = await read.get("/profiles/by-handle/parking-100")
            parked = await verified(servers, tmp_path)

        assert (parked["differences"], parked["stale"]) == (0, 1), parked["details"]
        assert {"Dr"} == {each["title"] for id_, each in found.items() if id_ != bad}
        assert [bad] == [id_ for id_, each in found.items() if "stale_since" in each]
        assert found[bad]["title"] is None
        assert by_handle.json()["stale_since"] == found[bad]["stale_since"]
        assert next((each["parked"], each["name"]) for each in status["projections"]) == (1, "profiles")
        [document] = listed["parked"]
        assert (document["id"], len(document["waiting"])) == (bad, 2)

        async with servers.projector(profiles) as ops:
            await until(lambda: is_filled(ops))
            found = await records(read, ids, position=head)
            mended = await verified(servers, tmp_path)

        assert (mended["differences"], "stale" in mended) == (0, False), mended["details"]
        assert {("Dr", False)} == {(each["title"], "stale_since" in each) for each in found.values()}
        assert found[bad]["handle"] == "parking-new"
        assert found[bad] == (await read.get("/profiles/by-handle/parking-new")).json()


async def verified(servers, home):
    """What `muster verify` says, while the projector in this process goes on."""
    ended = await asyncio.to_thread(muster, home, "verify", "--json", **servers.variables)
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
