"""`muster erase --prove` on the real stack."""

import json
import os
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support.commands import muster
from tests.support.mails import letter_to
from tests.support.patience import not_behind, wait_until
from tests.support.stack import Stack
from write_side.bus.entries import ANSWERS
from write_side.domain.values import EmailAddress


class Person:
    """A person without ties to others, known by a word of their own."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.word = f"e11{uuid4().hex[:12]}"
        self.registered = self.command(
            "register-account",
            handle=f"{self.word}.h",
            email=f"{self.word}@example.org",
            display_name=f"Ann {self.word}",
            given_name="Ann",
            external_id=f"hr:{self.word}",
            bio=f'Wrote "{self.word}"',
            locale="en",
            tags=["house"],
        )
        self.id = self.registered["id"]
        self.command("create-group", slug=f"g-{uuid4().hex}", name="Board of a person")

    def command(self, name: str, /, **fields: Any) -> dict[str, Any]:
        with httpx.Client(headers=self._stack.headers, trust_env=False, timeout=60) as client:
            answer = client.post(f"{self._stack.addresses.write}/commands/{name}", json=fields)
        told: dict[str, Any] = answer.raise_for_status().json()
        return told

    async def read(self, path: str, position: int = 0) -> httpx.Response:
        """Once no projection is behind that."""
        headers = {**self._stack.headers, "Muster-Min-Position": str(position)}
        async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=60) as client:
            return await not_behind(lambda: client.get(f"{self._stack.addresses.read}{path}"))


@pytest.fixture
def person(stack: Stack) -> Person:
    return Person(stack)


async def test_the_person_is_named_and_erased_only_on_a_yes(stack, person):
    """Whichever way they are referred to."""
    await person.read(f"/profiles/{person.id}", person.registered["position"])

    for reference in (person.id, f"@{person.word}.H", f"ext:hr:{person.word}"):
        status, _, asked = answered(stack, reference, answer="no")
        assert (status, asked.splitlines()[-1]) == (1, "nothing was erased")
        assert f"Erase Ann {person.word} (@{person.word}.h), account {person.id}?" in asked
    status, said, _ = answered(stack, f"@{person.word}.h", answer="YES")

    assert (status, said.partition(",")[0]) == (0, person.id)
    assert (await person.read(f"/profiles/{person.id}", int(said.split()[-1]))).status_code == 404
    assert answered(stack, person.id, "--prove", answer="")[0] == 0  # nothing is left to be asked


def answered(stack: Stack, *arguments: str, answer: str) -> tuple[int, str, str]:
    """Give an answer to `muster erase` on a terminal; the status, what is on stdout, and what was asked."""
    ours, terminal = os.openpty()
    os.write(ours, f"{answer}\n".encode())
    ran = muster(stack.home, "erase", *arguments, terminal=Path(os.ttyname(terminal)))
    os.close(terminal)
    os.close(ours)
    return ran.returncode, ran.stdout, ran.stderr


async def test_an_erasure_is_proven(stack, person):
    """What was looked for, where, and that it is not there; values that prove nothing are named by their fields."""
    Person(stack)  # who keeps a mail
    wait_until(lambda: len(list((stack.home / "mail").glob("*.eml"))) > 1)

    ran = muster(stack.home, "erase", "--yes", "--prove", person.id, "--json")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    proof = json.loads(ran.stdout)
    places = {each["place"]: each for each in proof["places"]}
    assert (proof["account_id"], proof["erased"], proof["found"], proof["proven"]) == (person.id, "now", 0, True)
    assert proof["sought"] >= 4
    assert {"field": "locale", "why": "too short", "values": 1} in proof["left_out"]
    assert places["postgresql event_log.data"]["checked"] > 1
    assert places["postgresql command_log.key"]["checked"] > 0
    assert places["log write.log"]["checked"] > 0
    assert places["postgresql deliveries.account_id"]["checked"] == 1
    assert places["mails"]["checked"] > 0
    assert not [path for path in (stack.home / "mail").glob("*.eml") if person.word in path.read_text()]
    for projection in ("profiles", "groups", "activity", "stats", "changes"):
        assert any(name.startswith(f"redis muster:{{0}}:{projection}:") for name in places)
    assert person.word not in ran.stdout + ran.stderr
    for path in (f"/profiles/{person.id}", f"/profiles/by-handle/{person.word}.h", f"/profiles/{person.id}/activity"):
        assert (await person.read(path, proof["position"])).status_code == 404


def test_a_person_erased_before_is_looked_for_by_id(stack, person):
    person.command("erase-account", account=person.id)

    ran = muster(stack.home, "erase", person.id, "--prove")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "erased before: the values are not known any more" in ran.stdout
    assert ran.stdout.splitlines()[-1].endswith("nothing of the person was found")


def test_what_is_left_somewhere_is_found_and_not_told(stack, person):
    """A copy in Redis that no projection knows of, and one in a table that is not ours."""
    with stack.redis() as redis, stack.database() as database:
        redis.hset("a-copy", "a-person", f"{{'email': '{person.word.upper()}@example.org'}}")
        database.execute("create table if not exists copies (note text)")
        database.execute("insert into copies values (%s)", [f"ask {person.word}.h"])
        ran = muster(stack.home, "erase", "--yes", "--prove", person.id, "--json")
        redis.delete("a-copy")
        database.execute("drop table copies")

    proof = json.loads(ran.stdout)
    found = {each["place"]: each["what"] for each in proof["places"] if each["found"]}
    assert (ran.returncode, proof["proven"]) == (1, False)
    assert found == {"redis a-copy": ["email"], "postgresql copies.note": ["handle"]}
    assert person.word not in ran.stdout + ran.stderr


def test_what_mails_and_messages_say_of_a_person_is_found(stack, person):
    """A mail that was copied, and a message that is still to be carried out; an answer may have the id."""
    copied = stack.home / "mail" / f"copy-{person.word[:4]}.eml"
    copied.write_bytes(letter_to(EmailAddress(f"{person.word}@example.org"), text="Hello"))
    with stack.redis() as redis:
        redis.xadd("muster:{bus}:commands:7", {"command": f'{{"handle": "{person.word}.h"}}'})
        redis.xadd(ANSWERS, {"shard": 7, "message": "1-1", "answer": f'{{"status": 200, "id": "{person.id}"}}'})
        ran = muster(stack.home, "erase", "--yes", "--prove", person.id, "--json", MUSTER_LIMITS="erasure.patience=3")
        redis.delete("muster:{bus}:commands:7", ANSWERS)
    copied.unlink()

    found = {each["place"]: each["what"] for each in json.loads(ran.stdout)["places"] if each["found"]}
    assert ran.returncode == 1
    assert found == {f"mail {copied.name}": ["email"], "redis muster:{bus}:commands:7": ["handle"]}


async def test_a_record_that_is_left_is_found_by_the_id_alone(stack, person):
    position = person.command("erase-account", account=person.id)["position"]
    await person.read("/profiles", position)
    with stack.redis() as redis:
        redis.hset("a-copy", person.id, "x")
        ran = muster(stack.home, "erase", "--yes", "--prove", person.id, "--json")
        redis.delete("a-copy")

    found = {each["place"]: each["what"] for each in json.loads(ran.stdout)["places"] if each["found"]}
    assert (ran.returncode, found) == (1, {"redis a-copy": ["account id"]})


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--prove", str(uuid4())], 1, "no account ever had the id"),
        (["--prove", "ada"], 2, "is no account: give its id, @handle or ext:"),
        (["--yes", "@nobody.at.all"], 1, "(profile-not-found)"),
        ([str(uuid4())], 2, "say --yes"),
        (["@ada"], 2, "say --yes"),
    ],
)
def test_what_cannot_be_done_is_said(stack, arguments, status, said):
    ran = muster(stack.home, "erase", *arguments)

    assert (ran.returncode, ran.stdout) == (status, "")
    assert said in ran.stderr


async def test_an_export_is_what_is_held_until_then(stack, person):
    position = person.command("update-profile", account=person.id, title="Senator")["position"]

    export = (await person.read(f"/profiles/{person.id}/export", position)).json()
    erased = person.command("erase-account", account=person.id)["position"]

    assert export["profile"]["email"] == f"{person.word}@example.org"
    assert [each["type"] for each in export["activity"]] == ["profile-updated", "account-registered"]
    assert (await person.read(f"/profiles/{person.id}/export", erased)).status_code == 404
