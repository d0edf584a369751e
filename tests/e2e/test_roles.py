"""The whole of Muster with servers shared out as `docs/roles` has it: nothing that has to be done is refused."""

import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from http.cookies import SimpleCookie
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from redis import Redis

from shared.auth.bearer import TOKEN
from shared.auth.principal import SCOPES
from shared.dev_stack.embedded.postgres import EmbeddedPostgres
from shared.dev_stack.embedded.redis import EmbeddedRedis
from shared.read_model.keys import HOME
from shared.settings import Addresses
from tests.support import roles
from tests.support.access import Keys, headers_for, register_home
from tests.support.commands import muster
from tests.support.databases import with_data
from tests.support.load import EVERYTHING, Load
from tests.support.mails import mailed_token
from tests.support.patience import SECONDS, not_behind
from tests.support.people import registration
from tests.support.stack import MUSTER, environment, service
from write_side.use_cases import USE_CASES

ADA, BOB = "@p1700.changed", "@p1701"
COMMANDS = (
    ("register-account", registration("p1700")),
    ("register-account", registration("p1701")),
    ("change-handle", {"account": "@p1700", "handle": ADA.removeprefix("@")}),
    ("change-email", {"account": ADA, "email": "p1700@changed.example"}),
    ("verify-email", {}),
    ("update-profile", {"account": ADA, "title": "Senator"}),
    ("create-group", {"slug": "g1700", "name": "Board"}),
    ("add-group-member", {"group": "g1700", "account": ADA}),
    ("add-group-member", {"group": "g1700", "account": BOB}),
    ("change-member-role", {"group": "g1700", "account": ADA, "role": "Chair"}),
    ("update-group", {"group": "g1700", "name": "Council"}),
    ("remove-group-member", {"group": "g1700", "account": BOB}),
    ("create-group", {"slug": "g1701", "name": "Another"}),
    ("delete-group", {"group": "g1701"}),
    ("suspend-account", {"account": BOB}),
    ("reinstate-account", {"account": BOB}),
    ("close-account", {"account": BOB}),
    ("erase-account", {"account": BOB}),
)
QUESTIONS = (
    "/profiles/by-handle/p1700.changed",
    "/profiles/by-email/p1700@changed.example",
    "/profiles/{id}",
    "/profiles/{id}/activity",
    "/profiles/{id}/export",
    "/profiles?q=p1700",
    "/profiles?group=g1700&sort=-updated_at",
    "/groups?q=council",
    "/groups/g1700",
    "/groups/g1700/members",
    "/groups/g1700/members/{id}",
    "/stats",
)
PROXY = "https://ops.example.org"
"""Where the ops page is to be found; there is none, and nobody is asked there."""

NOT_ALLOWED = ("NOPERM", "InsufficientPrivilege", "permission denied", "must be owner", "No permissions")


class Servers(NamedTuple):
    postgres: EmbeddedPostgres
    redis: EmbeddedRedis

    def settings(self, process: str) -> dict[str, str]:
        """What a process is told of them."""
        redis_url = {"MUSTER_REDIS_URL": roles.as_user(self.redis, process)}
        if process == "read":
            return redis_url
        role = "write" if process == "react" else process
        return redis_url | {"MUSTER_DATABASE_URL": roles.as_role(self.postgres.url, f"muster_{role}")}


class Running(NamedTuple):
    """The three processes on the servers."""

    servers: Servers
    home: Path
    addresses: Addresses

    def muster(self, *arguments: str, process: str = "project") -> subprocess.CompletedProcess[str]:
        """:param process: with whose roles an operator carries a command out."""
        urls = {f"MUSTER_{name.upper()}_URL": getattr(self.addresses, name) for name in ("write", "read", "ops")}
        return muster(self.home, *arguments, **self.servers.settings(process), **urls)

    def refusals(self) -> list[str]:
        """What either server has refused to anybody, by its own word, and what the processes say of it."""
        with Redis.from_url(self.servers.redis.url) as owner:
            of_redis = [str(each) for each in owner.acl_log()]
        logs = (self.servers.postgres.log, *(self.home / "logs").iterdir())
        lines = (line for log in logs for line in log.read_text().splitlines())
        return of_redis + [line for line in lines if any(each in line for each in NOT_ALLOWED)]


@pytest.fixture(scope="module")
def servers(server_home: Path) -> Iterator[Servers]:
    """Made and migrated as the files say."""
    with (
        EmbeddedPostgres(with_data(server_home / "postgres-shared-out")) as postgres,
        EmbeddedRedis(server_home / "redis-shared-out", options=roles.users()) as redis,
    ):
        roles.make_owner(postgres.url)
        migration = environment(MUSTER_DATABASE_URL=roles.as_role(postgres.url, roles.OWNER))
        subprocess.run([*MUSTER, "migrate"], env=migration, check=True, timeout=120)
        roles.make_roles(postgres.url)
        yield Servers(postgres, redis)


@pytest.fixture(scope="module")
async def running(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    home = tmp_path_factory.mktemp("home")
    (home / "logs").mkdir()
    keys = Keys(home / "keys")
    (home / TOKEN).write_text(keys.token(*SCOPES))
    common = {"MUSTER_HOME": str(home), "MUSTER_RATE_LIMIT": "100000/60", **keys.settings, "MUSTER_OPS_URL": PROXY}
    async with AsyncExitStack() as processes:
        urls = {}
        for name in ("write", "project", "read"):  # in this order: nothing is read before it is projected
            log = home / "logs" / f"{name}.log"
            started = service(name, log, **common, **servers.settings(name))
            urls[name], _ = await processes.enter_async_context(started)
        reacting = {**common, "MUSTER_WRITE_URL": urls["write"], **servers.settings("react")}
        await processes.enter_async_context(service("react", home / "logs" / "react.log", **reacting))
        addresses = Addresses(
            database_url="", redis_url="", write=urls["write"], read=urls["read"], ops=urls["project"]
        )
        register_home(home, addresses)
        yield Running(servers, home, addresses)


async def asked(running: Running, method: str, url: str, **more: object) -> httpx.Response:
    """The answer, once no projection is behind."""
    async with httpx.AsyncClient(headers=headers_for(url), trust_env=False, timeout=SECONDS) as client:
        return (await not_behind(lambda: client.request(method, url, **more))).raise_for_status()


async def registered(running: Running, name: str) -> str:
    """The id of another person."""
    url = f"{running.addresses.write}/commands/register-account"
    answer = await asked(running, "POST", url, json=registration(name))
    return str(answer.json()["id"])


async def test_commands_of_every_kind_are_carried_out_and_seen(running):
    """By one who asks, and by several at once."""
    load = Load(running.addresses.write, seed=1700, kinds=EVERYTHING, commands=150, pause=0)
    for name, fields in COMMANDS:
        sent = (
            {"token": await mailed_token(running.home, "p1700@changed.example")} if name == "verify-email" else fields
        )
        answer = await asked(running, "POST", f"{running.addresses.write}/commands/{name}", json=sent)
    fresh = {"headers": {"Muster-Min-Position": answer.headers["Muster-Position"]}}
    by_handle = await asked(running, "GET", f"{running.addresses.read}{QUESTIONS[0]}", **fresh)

    id_ = by_handle.json()["account_id"]
    for path in QUESTIONS:
        await asked(running, "GET", f"{running.addresses.read}{path.format(id=id_)}", **fresh)
    await asked(running, "POST", f"{running.addresses.read}/profiles/batch-get", json={"ids": [id_]}, **fresh)
    await load.run()

    assert {name for name, _ in COMMANDS} == {each.name for each in USE_CASES}
    assert by_handle.json()["groups"][0]["name"] == "Council"
    assert (load.done, load.false, load.troubles) == (150, [], {})
    assert running.refusals() == []


async def test_what_is_projected_is_rebuilt_verified_and_mended(running):
    """A record that is damaged too."""
    lost = await registered(running, "p1703")
    with Redis.from_url(running.servers.redis.url) as owner:
        rebuilt = running.muster("rebuild", "profiles", "--json")
        live = json.loads(owner.get(HOME.projection("profiles").live))["generation"]
        documents = HOME.projection("profiles").generation(live).documents("profile", "full")
        assert owner.hdel(documents, lost) == 1
        found = running.muster("verify", "--repair", "--json")
        mended = owner.hexists(documents, lost)

    assert (rebuilt.returncode, json.loads(rebuilt.stdout)["to"]) == (0, live), rebuilt.stderr
    told = {(each["projection"], each["entity"]) for each in json.loads(found.stdout)["details"]}
    assert (told, mended) == ({("profiles", f"profile {lost}")}, True), found.stdout + found.stderr
    assert running.refusals() == []


async def test_an_erasure_is_proven_by_a_role_that_reads_everything(running):
    """Also what is none of ours, in both servers."""
    id_ = await registered(running, "p1702")
    with Redis.from_url(running.servers.redis.url) as owner:
        owner.set("others", "x")
    proven = running.muster("erase", "--yes", "--prove", id_, "--json", process="prove")

    assert proven.returncode == 0, proven.stdout + proven.stderr
    places = {each["place"] for each in json.loads(proven.stdout)["places"]}
    assert {"redis others", "postgresql command_log.key", "log write.log"} <= places
    assert running.refusals() == []


async def test_an_operator_signs_in_by_a_link_from_behind_a_proxy(running):
    """Whose address the projector is told, so that the cookie is sent by https alone."""
    link = running.muster("token", "--link").stdout.strip()
    async with httpx.AsyncClient(trust_env=False, timeout=SECONDS) as client:
        answer = await client.get(link)
    [(name, cookie)] = SimpleCookie(answer.headers["Set-Cookie"]).items()
    headers = {"Cookie": f"{name}={cookie.value}"}
    async with httpx.AsyncClient(trust_env=False, headers=headers, timeout=SECONDS) as client:
        page = await client.get(f"{running.addresses.ops}/")
        again = await client.get(link)

    assert (answer.status_code, cookie["secure"]) == (303, True)
    assert (page.status_code, again.status_code) == (200, 401)
    assert running.refusals() == []
