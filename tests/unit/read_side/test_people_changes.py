"""What is changed at the people page: a form becomes a command, and what is refused is said where it was typed."""

import re

import httpx
import pytest

from read_side.adapters.httpx.commands import HttpxCommandSender
from read_side.adapters.memory.commands import MemoryCommandSender
from read_side.commands import CommandRefused, CommandSender, Done, SentCommand
from read_side.pages.app import directory
from read_side.services import memory_views
from shared.auth.authentication import TokenAuthentication
from shared.auth.setup import admit_everyone
from shared.errors import Unavailable
from shared.problems import FieldError
from tests.support.access import Keys
from tests.support.apps import app_client
from tests.support.directory import GROUPS
from tests.support.read_side import ADA, BOB, changed
from tests.unit.authenticated_apps import AuthenticatedApps
from tests.unit.read_side.test_people_page import HOSTILE, HTML, escaped, main, memory

OURS = {**HTML, "Origin": "http://localhost"}
FORMS = ("/?new=person", "/?new=group", "/people/ada?edit=1", "/people/groups/ssju?edit=1")
ABOUT_ADA = {"account": str(ADA.account_id)}
AGAIN = ADA.profile_version + 5


def accepted(_):
    return Done(2, 7)


def refusing(problem, status, *errors, detail="It is refused"):
    def refuse(_):
        raise CommandRefused(problem, status=status, title="A title", detail=detail, errors=errors)

    return refuse


def away(_):
    raise Unavailable("The write API does not answer (ConnectError)")


@pytest.fixture
def sender():
    return MemoryCommandSender(accepted)


@pytest.fixture
def views():
    return memory_views(patience=0.05)


@pytest.fixture
async def client(sender, views):
    def register(registry):
        memory(ADA, BOB, views=views)(registry)
        registry.register_value(CommandSender, sender)

    async with app_client(directory, admit_everyone, register) as client:
        client.headers.update(OURS)
        yield client


def fields_of(answer, action=None):
    """What the form would send as it stands; in the order of the page, the one with the action if one is named."""
    found = re.findall(r'<form class="fields".*?</form>', answer.text, re.DOTALL)
    [form] = [each for each in found if action is None or f'name="action" value="{action}"' in each]
    inputs = re.findall(r'<input(?! type="checkbox")[^>]*? name="([^"]+)"[^>]*? value="([^"]*)"', form)
    areas = re.findall(r'<textarea[^>]*? name="([^"]+)"[^>]*>\n(.*?)</textarea>', form, re.DOTALL)
    return {name: [value for known, value in inputs + areas if known == name] for name, _ in inputs + areas}


async def test_a_person_is_registered_and_shown_as_soon_as_they_are_there(client, sender):
    form = fields_of(await client.get("/?new=person"))
    form |= {"handle": ["ada"], "email": ["ada@example.org"], "display_name": ["Ada"], "tags": ["one\r\n\r\ntwo"]}

    answer = await client.post("/", data=form)

    assert (answer.status_code, answer.headers["Location"]) == (303, "./people/ada?min_position=7")
    [(command, credential)] = sender.sent
    assert (command.name, command.key, credential) == ("register-account", form["key"][0], None)
    assert command.fields == {
        "handle": "ada",
        "email": "ada@example.org",
        "display_name": "Ada",
        "given_name": None,
        "family_name": None,
        "title": None,
        "tags": ["one", "two"],
    }
    assert (await client.get(answer.headers["Location"].removeprefix("."))).status_code == 200


async def test_a_group_is_created_and_shown(client, sender):
    form = fields_of(await client.get("/?new=group"))
    form |= {"name": ["Judiciary"], "slug": ["ssju"]}

    answer = await client.post("/", data=form)

    assert (answer.status_code, answer.headers["Location"]) == (303, "./people/groups/ssju?min_position=7")
    [(command, _)] = sender.sent
    assert (command.name, command.key) == ("create-group", form["key"][0])
    assert command.fields == {"name": "Judiciary", "slug": "ssju", "description": None}


async def test_a_group_is_changed_as_it_stands_and_deleted(client, sender):
    """Its forms hold every field, and the version that they were made of; from a group that is gone one is led away."""
    group = GROUPS[0]
    page = await client.get(f"/people/groups/{group.slug}?edit=1")
    form = fields_of(page, "edit")
    changed = await client.post(f"/people/groups/{group.slug}", data={**form, "slug": ["another"]})
    deleted = await client.post(f"/people/groups/{group.slug}", data=fields_of(page, "delete") | {"sure": "yes"})

    [(update, _), (delete, _)] = sender.sent
    assert (update.name, update.if_match) == ("update-group", group.version)
    assert update.fields == {
        "group": str(group.group_id),
        "name": group.name,
        "slug": "another",
        "description": group.description,
    }
    assert changed.headers["Location"] == f"../../people/groups/{group.slug}?min_position=7"
    assert (delete.name, delete.fields) == ("delete-group", {"group": str(group.group_id)})
    assert delete.if_match == group.version
    assert deleted.headers["Location"] == "../../?min_position=7"


async def test_nothing_is_deleted_that_was_not_confirmed(client, sender):
    page = await client.get(f"/people/groups/{GROUPS[0].slug}?edit=1")

    answer = await client.post(f"/people/groups/{GROUPS[0].slug}", data=fields_of(page, "delete"))

    assert (answer.status_code, sender.sent) == (422, [])
    assert "This is not confirmed" in main(answer)


def renamed(views):
    """The first group is given another slug, and the second takes the one that it had."""
    first, second = GROUPS
    taken = changed(second, slug=first.slug, name="The other", version=9)
    views["groups"].commit(changed(first, slug="moved", description="Theirs", version=8), taken, position=9)


def gone(views):
    views["groups"].commit(gone=[GROUPS[0].group_id], position=9)


def renamed_person(views):
    """Ada is given another handle, and Bob takes the one that she had."""
    views["profiles"].commit(changed(ADA, handle="countess"), changed(BOB, handle=ADA.handle), position=8)


@pytest.mark.parametrize("refuse", [refusing("version-mismatch", 412), refusing("invalid", 422), away])
async def test_a_form_stays_about_its_group_when_another_has_its_slug(client, sender, views, refuse):
    """By its id: the next attempt changes that group and no other, at the address that it has then."""
    group, sender._answer = GROUPS[0], refuse
    mine = fields_of(await client.get("/people/groups/ssju?edit=1"), "edit") | {"description": ["Mine"]}
    renamed(views)

    answer = await client.post("/people/groups/ssju", data=mine)

    again, is_conflict = fields_of(answer, "edit"), answer.status_code == 412
    assert (again["group"], again["description"]) == ([str(group.group_id)], ["Mine"])
    assert again["version"] == (["8"] if is_conflict else mine["version"])
    assert ("There now: <bdi>Theirs</bdi>" in answer.text) is is_conflict
    assert 'action="../../people/groups/moved"' in answer.text
    assert "The other" not in answer.text


async def test_what_was_typed_about_what_is_gone_is_shown_still(client, sender, views):
    group, sender._answer = GROUPS[0], refusing("group-not-found", 404, detail="There is no such group")
    page = await client.get("/people/groups/ssju?edit=1")
    gone(views)

    edit = await client.post("/people/groups/ssju", data=fields_of(page, "edit") | {"description": ["Typed <long>"]})
    delete = await client.post("/people/groups/ssju", data=fields_of(page, "delete") | {"sure": "yes"})

    assert (edit.status_code, delete.status_code) == (404, 404)
    assert "There is no such group" in main(edit)
    assert (fields_of(edit)["description"], fields_of(edit)["group"]) == (["Typed &lt;long&gt;"], [str(group.group_id)])
    assert 'name="sure"' in delete.text


async def test_a_form_stays_about_its_person_when_another_has_their_handle(client, sender, views):
    sender._answer = refusing("email-taken", 409)
    mine = fields_of(await client.get("/people/ada?edit=1"), "email") | {"email": ["mine@example.org"]}
    renamed_person(views)

    answer = await client.post("/people/ada", data=mine)

    assert answer.status_code == 409
    assert fields_of(answer, "email") == mine
    assert 'action="../people/countess"' in answer.text


@pytest.mark.parametrize("action", ["edit", "handle"])
async def test_a_save_leads_to_the_handle_that_the_person_has_then(client, sender, views, action):
    """Others may have changed it meanwhile; where the read model is not there yet, to the one that was meant."""
    form = fields_of(await client.get("/people/ada?edit=1"), action)
    renamed_person(views)
    locations = []
    for position in (8, 9):
        sender._answer = lambda _, at=position: Done(2, at)
        locations.append((await client.post("/people/ada", data=form)).headers["Location"])

    meant = "Ada" if action == "handle" else "ada"
    assert locations == ["../people/countess?min_position=8", f"../people/{meant}?min_position=9"]


async def test_a_form_says_whom_it_is_about(client, sender):
    answer = await client.post("/people/ada", data={"action": "suspend", "key": "k"})

    assert (answer.status_code, sender.sent) == (422, [])


async def test_a_slug_that_is_taken_is_said_at_its_field(client, sender):
    sender._answer = refusing("slug-taken", 409, detail="is another group's")
    page = await client.get(f"/people/groups/{GROUPS[0].slug}?edit=1")

    answer = await client.post(f"/people/groups/{GROUPS[0].slug}", data=fields_of(page, "edit") | {"slug": ["taken"]})

    assert answer.status_code == 409
    assert 'id="edit-slug-wrong" class="error">Slug is another group&#39;s.' in answer.text
    assert fields_of(answer, "edit")["slug"] == ["taken"]


@pytest.mark.parametrize("new", ["", "planet"])
async def test_there_are_forms_of_people_and_groups_alone(client, sender, new):
    posted, shown = await client.post("/", data={"new": new}), await client.get("/?new=planet")

    assert (posted.status_code, shown.status_code) == (422, 422)
    assert sender.sent == []


async def test_the_form_as_it_stands_changes_nothing(client, sender):
    """It holds every field that it sends, as the record has it, and the version that it was made of."""
    form = fields_of(await client.get("/people/ada?edit=1"), "edit")

    await client.post("/people/Ada", data=form)

    [(command, _)] = sender.sent
    assert (command.name, command.if_match) == ("update-profile", ADA.profile_version)
    assert command.fields == {
        "account": str(ADA.account_id),
        **{name: getattr(ADA, name) for name in ("display_name", "given_name", "family_name", "title", "bio")},
        **{name: getattr(ADA, name) for name in ("locale", "time_zone", "picture_url", "links", "attributes")},
        "tags": [*ADA.tags],
    }


@pytest.mark.parametrize(
    ("action", "sent", "expected"),
    [
        ("handle", {"handle": "countess"}, ("change-handle", {"handle": "countess"})),
        ("email", {"email": "c@example.org"}, ("change-email", {"email": "c@example.org"})),
        ("suspend", {"reason": "On leave"}, ("suspend-account", {"reason": "On leave"})),
        ("suspend", {"reason": ""}, ("suspend-account", {"reason": None})),
        ("reinstate", {}, ("reinstate-account", {})),
        ("join", {"group": "ssju", "role": ""}, ("add-group-member", {"group": "ssju"})),
        ("join", {"group": "ssju", "role": "chair"}, ("add-group-member", {"group": "ssju", "role": "chair"})),
        ("leave", {"group": "ssju"}, ("remove-group-member", {"group": "ssju"})),
    ],
)
async def test_each_button_orders_its_command(client, sender, action, sent, expected):
    answer = await client.post("/people/ada", data={"action": action, "key": "k", **ABOUT_ADA, **sent})

    [(command, _)] = sender.sent
    name, meant = expected
    assert (command.name, command.key, command.fields) == (name, "k", {**ABOUT_ADA, **meant})
    assert answer.status_code == 303


@pytest.mark.parametrize(
    ("refuse", "field", "said"),
    [
        (
            refusing("invalid", 422, FieldError("/email", "must be an e-mail address")),
            "email",
            "must be an e-mail address",
        ),
        (refusing("invalid", 422, FieldError("/tags/1", "is too long")), "tags", "1: is too long"),
        (refusing("handle-taken", 409, detail="The handle is another's"), "handle", "another&#39;s"),
        (refusing("email-taken", 409, detail="It is taken"), "email", "It is taken"),
    ],
)
async def test_what_is_refused_is_said_at_its_field_and_nothing_is_lost(client, sender, refuse, field, said):
    sender._answer = refuse
    typed = {
        "handle": "<b>",
        "email": 'x"y',
        "display_name": HOSTILE["markup"],
        "tags": "a\nb",
        "key": "same",
        "new": "person",
    }

    answer = await client.post("/", data=typed)

    assert answer.status_code in {409, 422}
    wrong = re.search(rf'id="new-{field}-wrong" class="error">(.*?)</p>', answer.text)
    assert said in wrong[1]
    assert f'aria-describedby="new-{field}-wrong' in answer.text
    for text in typed.values():
        assert escaped(text) in answer.text
    assert "<script>alert" not in answer.text
    assert fields_of(answer)["key"] == ["same"]


async def test_a_conflict_shows_both_and_the_next_attempt_means_what_is_there_now():
    """Only where they differ; what was typed stays in the form."""
    theirs = changed(ADA, title="Countess", bio="Changed meanwhile", profile_version=AGAIN)
    sender = MemoryCommandSender(refusing("version-mismatch", 412))

    def register(registry):
        memory(theirs, BOB)(registry)
        registry.register_value(CommandSender, sender)

    async with app_client(directory, admit_everyone, register) as client:
        mine = fields_of(await client.get("/people/ada?edit=1", headers=OURS), "edit")
        mine |= {"title": ["Mine"], "bio": ["Changed meanwhile"], "version": ["1"]}
        answer = await client.post("/people/ada", data=mine, headers=OURS)

    assert answer.status_code == 412
    assert re.findall(r'class="now">There now: <bdi>(.*?)</bdi>', answer.text) == ["Countess"]
    again = fields_of(answer, "edit")
    assert (again["title"], again["version"], again["key"]) == (["Mine"], [str(AGAIN)], mine["key"])
    assert sender.sent[0][0].if_match == 1


async def test_while_the_write_api_is_away_the_form_waits_with_what_was_typed(client, sender):
    """Under the same key: if it was done after all, it is not done again."""
    sender._answer = away
    form = fields_of(await client.get("/people/ada?edit=1"), "edit") | {"title": ["Typed at length"]}

    answer = await client.post("/people/ada", data=form)

    assert answer.status_code == 503
    assert "The write API is away" in main(answer)
    assert fields_of(answer, "edit") == form


async def test_a_key_that_is_spent_is_not_used_again(client, sender):
    """It was done with other words, and the person did not learn of it."""
    sender._answer = refusing("idempotency-mismatch", 422)

    answer = await client.post("/people/ada", data={**ABOUT_ADA, "action": "suspend", "reason": "x", "key": "spent"})

    assert fields_of(answer, "suspend")["key"] != ["spent"]
    assert fields_of(answer, "suspend")["reason"] == ["x"]


async def test_a_name_that_stands_twice_is_not_lost(client, sender):
    pairs = {"links.name": ["home", "home"], "links.value": ["https://a.example", "https://b.example"]}
    form = fields_of(await client.get("/people/ada?edit=1"), "edit") | pairs

    answer = await client.post("/people/ada", data=form)

    assert (answer.status_code, sender.sent) == (422, [])
    assert "twice" in answer.text
    assert "https://b.example" in answer.text


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "same-site"}, {}])
@pytest.mark.parametrize("path", ["/", "/people/ada", "/people/groups/ssju"])
async def test_no_other_site_has_anything_changed(client, sender, headers, path):
    client.headers.pop("Origin")
    answer = await client.post(path, data={"action": "suspend", "handle": "x"}, headers=headers)

    assert (answer.status_code, sender.sent) == (403, [])


async def test_without_a_write_api_nothing_is_offered():
    async with app_client(directory, admit_everyone, memory(ADA, BOB)) as client:
        page = await client.get("/people/ada", headers=OURS)
        forms = [await client.get(each, headers=OURS) for each in FORMS]
        answer = await client.post("/people/ada", data={"action": "suspend"}, headers=OURS)

    assert "?edit=1" not in page.text
    assert {each.status_code for each in forms} == {503}
    assert (answer.status_code, "MUSTER_WRITE_URL" in answer.text) == (503, False)
    assert "/problems/no-write-api".removeprefix("/") in answer.text


async def test_commands_are_sent_as_who_is_signed_in(tmp_path):
    """By the adapter that is used, to a real write API: under their subject, once a key, for a version."""
    keys = Keys(tmp_path / "keys")
    token = keys.token("commands", subject="ada")
    async with AuthenticatedApps(TokenAuthentication(keys.directory, audience="muster")).client("write") as http:
        sender = HttpxCommandSender(http)
        register = SentCommand("register-account", {"handle": "a", "email": "a@b", "display_name": "A"}, "k1")

        done = [await sender.send(register, credential=token, request_id="r") for _ in range(2)]
        handle = SentCommand("change-handle", {"account": "@a", "handle": "!"}, "k2")
        with pytest.raises(CommandRefused) as invalid:
            await sender.send(handle, credential=token, request_id="r")
        stale = SentCommand("change-handle", {"account": "@a", "handle": "b"}, "k3", if_match=9)
        with pytest.raises(CommandRefused) as mismatch:
            await sender.send(stale, credential=token, request_id="r")
        with pytest.raises(CommandRefused) as unknown:
            await sender.send(register, credential=None, request_id="r")

    assert done[0] == done[1]
    assert (invalid.value.status, invalid.value.errors[0].pointer) == (422, "/handle")
    assert (mismatch.value.status, mismatch.value.problem) == (412, "version-mismatch")
    assert unknown.value.status == 401


@pytest.mark.parametrize("answer", [httpx.Response(502, text="<html>"), httpx.Response(200, text="hello"), None])
async def test_what_is_no_answer_of_the_write_api_is_none(answer):
    """A proxy's, or nothing at all: whether it was done is not known."""

    def respond(request):
        if answer is None:
            raise httpx.ConnectError("refused", request=request)
        return answer

    async with httpx.AsyncClient(transport=httpx.MockTransport(respond), base_url="http://write") as http:
        with pytest.raises(Unavailable):
            await HttpxCommandSender(http).send(SentCommand("x", {}, "k"), credential=None, request_id="r")
