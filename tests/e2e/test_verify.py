"""`muster verify` on the real stack, and what the projector notices by itself."""

import json
import re
from pathlib import Path
from uuid import uuid4

import httpx
import msgspec
import pytest

from shared.read_model.envelope import seal, unseal
from shared.read_model.keys import HOME
from shared.read_model.positions import Pointer
from tests.support.commands import muster
from tests.support.patience import SECONDS, until
from tests.support.stack import Stack

tells_how_far = re.compile("(folding the log|comparing): ").search
"""Of a line: on a busy machine a verification takes longer than until the first is due."""


class Directory:
    """A stack whose read model can be damaged."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def register(self, handle: str) -> str:
        """Register a person whom every view shows, and return the id."""
        sent = {"handle": handle, "email": f"{handle}@example.org", "display_name": handle}
        with httpx.Client(headers=self._stack.headers, trust_env=False, timeout=SECONDS) as client:
            answer = client.post(f"{self._stack.addresses.write}/commands/register-account", json=sent)
            account = answer.raise_for_status().json()
            url, minimum = f"{self._stack.addresses.read}/profiles/{account['id']}", str(account["position"])
            asked = (client.get(url, headers={"Muster-Min-Position": minimum}) for _ in range(30))
            assert any(each.is_success for each in asked)  # each waits for two seconds
        return account["id"]

    def scribble(self, account: str | None = None, **changes: str) -> None:
        """Change a record behind the projector's back, or all of them."""
        with self._stack.redis() as redis:
            keys = HOME.projection("profiles")
            live = msgspec.json.decode(redis.get(keys.live), type=Pointer)
            key = keys.generation(live.generation).documents("profile", "full")
            for id_, envelope in redis.hgetall(key).items():
                if account in {None, id_.decode()}:
                    sealed = unseal(envelope)
                    changed = msgspec.json.encode({**msgspec.json.decode(sealed.body), **changes})
                    redis.hset(key, id_, seal(position=sealed.position, body=changed))

    @property
    def home(self) -> Path:
        return self._stack.home

    @property
    def without_standby(self) -> str:
        """The URL of a server that has none."""
        return self._stack.addresses.database_url

    async def drift(self, projection: str) -> float | None:
        """What the projector says of it; None if it does not."""
        async with httpx.AsyncClient(trust_env=False, timeout=SECONDS) as client:
            metrics = (await client.get(f"{self._stack.addresses.ops}/metrics")).text
        found = re.search(rf'^muster_drift_records{{projection="{projection}"}} (\S+)$', metrics, re.MULTILINE)
        return float(found[1]) if found else None


@pytest.fixture
def directory(stack: Stack) -> Directory:
    return Directory(stack)


@pytest.fixture
def account(directory):
    """A person without ties to others."""
    return directory.register(f"v{uuid4().hex[:12]}")


def test_a_healthy_directory_has_no_differences(directory, account):
    """All projections are compared, and each has something to be compared."""
    ran = muster(directory.home, "verify")

    assert ran.returncode == 0, ran.stderr
    assert [line for line in ran.stderr.splitlines() if not tells_how_far(line)] == []
    names = [line.split()[0] for line in ran.stdout.splitlines()[1:6]]
    assert names == ["profiles", "groups", "activity", "stats", "changes"]
    assert ran.stdout.splitlines()[-1] == "0 differences"


def test_differences_are_told_and_repaired(directory, account):
    """With the exit status, the shape and the names of the contract; what there is to log is not on stdout."""
    directory.scribble(account, title="Usurper")

    found = muster(directory.home, "verify", "--json", MUSTER_LOG_STANDBY_URL=directory.without_standby)
    repaired = muster(directory.home, "verify", "profiles", "--repair")
    afterwards = muster(directory.home, "verify", "profiles", "--json")

    answer = json.loads(found.stdout)
    assert "the primary is read in place of its standby" in found.stderr
    assert (found.returncode, answer["differences"]) == (1, 1)
    assert answer["checked"] > 0
    assert answer["position"] > 0
    assert answer["details"] == [
        {
            "projection": "profiles",
            "entity": f"profile {account}",
            "field": "title",
            "expected": None,
            "found": "Usurper",
        }
    ]
    assert repaired.returncode == 0
    assert f'profiles: profile {account}: title: expected null, found "Usurper"' in repaired.stdout
    assert repaired.stdout.splitlines()[-1] == "1 difference, 1 repaired"
    assert (afterwards.returncode, json.loads(afterwards.stdout)["differences"]) == (0, 0)


def test_what_no_repair_mends_is_said(directory, stack, account):
    """The log says one thing and the database has another: an operator has to find out why."""
    with stack.database() as database:
        database.execute("update profiles set title = 'Usurper' where id = %s", [account])
        ran = muster(directory.home, "verify", "profiles", "--repair")
        database.execute("update profiles set title = null where id = %s", [account])

    assert ran.returncode == 1
    assert "1 difference, 0 repaired, 1 left: what differs between the log and the database" in ran.stdout


def test_an_unknown_projection_is_wrong_usage(directory):
    ran = muster(directory.home, "verify", "people")

    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "there is no projection 'people': profiles, groups, activity, stats, changes\n"


@pytest.mark.usefixtures("account")
async def test_the_projector_notices_by_itself(directory):
    """
    Records that differ are counted until they do not any more.

    All do, since it looks at a few only: how soon it meets a certain one depends on how many others there are.
    """
    directory.scribble(title="Usurper")
    await until(lambda: _drifts(directory))

    muster(directory.home, "verify", "profiles", "--repair")

    await until(lambda: _drifts(directory, at_all=False))


async def _drifts(directory, *, at_all=True):
    drift = await directory.drift("profiles")
    return drift is not None and (drift > 0) is at_all
