"""What `muster up` brings, and what it says of it."""

import json
import stat

import httpx

from tests.support.commands import muster as command
from tests.support.patience import SECONDS
from tests.support.people import registration
from tests.support.stack import Child


async def test_one_command_and_everything_is_there(muster, stack):
    """From nothing to a person who was registered and read; that its end is a clean one, the stack sees to."""
    addresses = stack.addresses
    await muster.done("register-account", **registration("one-command"))
    assert (await muster.record("/profiles/by-handle/one-command"))["email"] == registration("one-command")["email"]

    file = stack.home / "addresses.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert set(json.loads(file.read_text())) == {"database_url", "redis_url", "write", "read", "ops"}
    served = [line.split()[-1] for line in stack.announced[:3]]
    assert served == [addresses.write, addresses.read, addresses.ops]
    assert all(map(stack.pid, (Child.WRITE, Child.READ, Child.PROJECT)))

    doctor = command(stack.home, "doctor")
    assert doctor.returncode == 0, doctor.stdout
    assert "✗" not in doctor.stdout
    assert "✓ maxmemory-policy is noeviction" in doctor.stdout
    assert "✓ migrations are current" in doctor.stdout
    assert "of which the write API opens 13" in doctor.stdout

    config = command(stack.home, "config")
    assert addresses.write in config.stdout
    assert "muster:***@" in config.stdout

    second = command(stack.home, "up", "--home", str(stack.home))
    assert (second.returncode, second.stdout) == (1, "")
    assert second.stderr.startswith(f"another `muster up` runs at {stack.home}")


def test_each_link_that_is_announced_lets_in_once(stack):
    mails, token, about, to_people, and_to, to_ops, and_docs, to_docs = stack.announced[3:]

    assert mails == f"mails  {stack.home / 'mail'}"
    assert token == f"token  {stack.home / 'token'}"
    assert about == "sign in to the people page, once, within 15 minutes:"
    assert (and_to, and_docs) == ("and to the ops page:", "and to the API docs:")
    for link, path, inside in (
        (to_people, "/", f"{stack.addresses.read}/profiles"),
        (to_ops, "/", f"{stack.addresses.ops}/status"),
        (to_docs, "/docs", f"{stack.addresses.write}/docs/register_account"),
    ):
        with httpx.Client(timeout=SECONDS) as browser:
            assert browser.get(link, follow_redirects=True).url.path == path
            shown = browser.get(inside)
            assert shown.status_code == 200
            assert "Sign in</a>" not in shown.text
        assert httpx.get(link, timeout=SECONDS).status_code == 401
