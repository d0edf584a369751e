"""From a registration to a verified address: `muster react`, a mail, the link in it, its button, the record."""

import json
import re

import pytest

from tests.support.commands import muster
from tests.support.mails import mail_to
from tests.support.patience import until
from tests.support.stack import Child


@pytest.fixture
def stack(mortal_stack):
    """The one in which a process is killed."""
    return mortal_stack


async def register(stack, handle: str) -> dict:
    person = {"handle": handle, "email": f"{handle}@example.org", "display_name": handle}
    async with stack.client(stack.addresses.write) as client:
        return (await client.post("/commands/register-account", json=person)).raise_for_status().json()


async def test_a_person_verifies_an_address_by_the_link_in_a_mail(stack):
    registered = await register(stack, "p2100")
    text = (await mail_to(stack.home, "p2100@example.org")).get_body(("plain",)).get_content()
    [link] = re.findall(r"^(http://\S+)\s*$", text, re.MULTILINE)

    async with stack.client() as client:
        client.headers.clear()
        page = await client.get(link)
        [token] = re.findall(r'name="token" value="([^"]*)"', page.text)
        pressed = await client.post(link.partition("?")[0], data={"token": token})
    assert link.startswith(f"{stack.addresses.write}/verify-email?token=")
    assert pressed.status_code == 200
    async with stack.client(stack.addresses.read) as client:
        path = f"/profiles/{registered['id']}"
        record = await until(lambda: shown(client, path, lambda record: record["email_verified"]))
        await until(lambda: shown(client, f"{path}/activity", is_of_the_verification))
    assert record["version"] == 2


async def shown(client, path: str, holds) -> dict | None:
    """What is read there, once that holds of it."""
    answer = await client.get(path)
    return answer.json() if answer.is_success and holds(answer.json()) else None


def is_of_the_verification(activity) -> bool:
    return [item["type"] for item in activity["items"]] == ["email-verified", "account-registered"]


async def test_what_waits_and_what_was_given_up_is_listed(stack):
    listed = muster(stack.home, "deliveries", "list", "--json")
    shown = muster(stack.home, "deliveries", "list")
    retried = muster(stack.home, "deliveries", "retry", "--all", "--json")
    unknown = muster(stack.home, "deliveries", "retry", "00000000-0000-0000-0000-000000000000")
    neither = muster(stack.home, "deliveries", "retry")

    assert set(json.loads(listed.stdout)) == {"waiting", "given_up", "deliveries"}
    assert re.match(r"\d+ waiting, 0 given up\n", shown.stdout)
    assert json.loads(retried.stdout) == {"retried": 0}
    assert (retried.returncode, unknown.returncode, neither.returncode) == (0, 1, 1)


async def test_a_killed_process_goes_on_where_it_was(stack):
    killed = stack.kill(Child.REACT)

    await register(stack, "p2101")
    await stack.replaced(Child.REACT, instead_of=killed)

    assert await mail_to(stack.home, "p2101@example.org")


async def test_no_log_says_to_whom_a_mail_went(stack):
    await register(stack, "p2102")
    message = await mail_to(stack.home, "p2102@example.org")

    log = await until(lambda: told_of(message, stack))

    assert "p2102" not in log
    assert "token" not in log


def told_of(message, stack) -> str | None:
    """The log of what sends mails, once it names this one, which is in its folder before."""
    log = (stack.home / "logs" / "react.log").read_text()
    return log if message["Message-ID"].strip("<>").partition("@")[0] in log else None


async def test_operators_are_told_where_mails_are(stack):
    await register(stack, "p2104")
    await mail_to(stack.home, "p2104@example.org")

    async with stack.client(stack.addresses.ops) as client:
        report = (await client.get("/deliveries")).json()

    assert report["mail_folder"] == str(stack.home / "mail")
