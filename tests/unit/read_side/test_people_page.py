"""The people page as it is served: what the API answers, as HTML that is whole without a script."""

import re
from datetime import UTC, datetime
from urllib.parse import urljoin

import pytest

from read_side.pages.app import directory
from read_side.pages.figures import initials, is_followed, query
from read_side.services import memory_views, register_views
from shared.auth.setup import admit_everyone
from tests.support.apps import app_client
from tests.support.directory import CHANGED, GROUPS, HAPPENED, MEMBERSHIPS, PEOPLE, STATS
from tests.support.read_side import ADA, BOB, changed

HTML = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
NASTY = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
HOSTILE = {
    "markup": NASTY,
    "right to left": "שלום \u202eevil\u202c עולם",
    "combining": "Z" + "\u0301" * 60 + "algo",
    "long": "W" * 200,
}


def memory(*people, position=7, views=None):
    """A directory of these people."""
    views = views or memory_views(patience=0.05)

    def register(registry):
        views["profiles"].commit(*people, position=position)
        views["groups"].commit(*GROUPS, people=PEOPLE, memberships=MEMBERSHIPS, position=8)
        views["activity"].commit(*((ADA.account_id, each) for each in HAPPENED), position=9)
        views["stats"].commit(STATS, position=6)
        views["changes"].commit(*CHANGED, position=5)
        register_views(registry, views)

    return register


def browser(*people):
    return app_client(directory, admit_everyone, memory(*people))


@pytest.fixture
async def client():
    async with browser(ADA, BOB) as client:
        client.headers.update(HTML)
        yield client


def main(answer):
    return answer.text.partition("<main")[2].partition("</main>")[0]


def people_in(answer):
    return re.findall(r'class="hit person" href="[./]*people/([^"]+)"', answer.text)


async def test_browsers_find_people_where_programs_find_an_index(client):
    page = await client.get("/")
    index = await client.get("/", headers={"Accept": "application/json"})
    curl = await client.get("/", headers={"Accept": "*/*"})

    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert people_in(page) == ["bob", "Ada"]
    assert index.json() == curl.json()
    assert "get_profile" in index.json()["operations"]
    assert {page.headers["Vary"].partition(",")[0], index.headers["Vary"].partition(",")[0]} == {"accept"}


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("/?q=love", ["bob", "Ada"]),
        ("/?q=bo", ["bob"]),
        ("/?q=&group=&tag=&cursor=&min_position=", ["bob", "Ada"]),
        ("/?tag=mathematics", ["bob", "Ada"]),
        ("/?tag=chemistry", []),
        ("/?group=nobodys", []),
        ("/?status=closed", []),
        ("/?sort=handle", ["Ada", "bob"]),
        ("/?q=ada&min_position=7", ["Ada", "bob"]),
    ],
)
async def test_the_address_says_what_is_looked_for(client, address, found):
    """In the words of `GET /profiles`; a field that was left empty is none."""
    answer = await client.get(address)

    assert answer.status_code == 200
    assert sorted(people_in(answer)) == sorted(found)


async def test_pages_lead_on_and_keep_what_was_looked_for(client):
    """As links, which can be shared."""
    first = await client.get("/?q=love&tag=mathematics&limit=1")
    following = re.search(r'rel="next" href="([^"]+)"', first.text)[1].replace("&amp;", "&")
    second = await client.get(urljoin(str(first.url), following))

    assert "q=love" in following
    assert "tag=mathematics" in following
    assert len(people_in(first)) == 1
    assert set(people_in(first)) | set(people_in(second)) == {"Ada", "bob"}
    assert 'value="love"' in second.text


async def test_a_person_is_shown_with_groups_and_activity(client):
    answer = await client.get("/people/ada")

    for text in (ADA.display_name, "@Ada", "Analyst", "Ada@Example.org", "confirmed", "Europe/London", "engine"):
        assert text in main(answer), text
    assert 'href="https://ada.example" rel="noopener noreferrer nofollow"' in main(answer)
    assert "Handle changed: <bdi>ada</bdi> → <bdi>Ada</bdi>" in main(answer)
    assert "As of position <b>7</b>" in main(answer)


async def test_a_group_is_shown_with_its_members_and_their_roles(client):
    whole, chairs = await client.get("/people/groups/ssju"), await client.get("/people/groups/SSJU?role=Chairman")

    assert "Senate Committee on the Judiciary" in whole.text
    assert (people_in(whole), people_in(chairs)) == (["Ada", "bob"], ["Ada"])
    assert 'value="Chairman"' in chairs.text


@pytest.mark.parametrize("path", ["/people/nobody", "/people/groups/nobodys"])
async def test_what_is_not_there_is_said_to_people_and_to_programs(client, path):
    page, problem = await client.get(path), await client.get(path, headers={"Accept": "application/json"})

    assert (page.status_code, problem.status_code) == (404, 404)
    assert problem.json()["title"] in page.text
    assert problem.json()["type"].removeprefix("/") in page.text


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        ("/?q=!", 422, "must have a letter or a digit"),
        ("/?cursor=nonsense", 422, "must be the cursor of a page"),
        ("/?min_position=99", 503, "before 99"),
        ("/?status=gone", 422, "must be one of"),
        ("/?colour=red", 422, "is not a parameter here"),
    ],
)
async def test_what_is_refused_is_a_page_with_the_search_on_it(client, address, status, said):
    """In the sentences of the API; the script puts it where results stand."""
    answer = await client.get(address)

    assert answer.status_code == status
    assert said in main(answer)
    assert 'id="search"' in answer.text


async def test_a_read_that_has_to_wait_says_when_to_come_back(client):
    answer = await client.get("/people/ada?min_position=99")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert "Try again" in main(answer)


async def test_stale_is_said():
    stale = changed(ADA, stale_since=datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC))
    async with browser(stale, BOB) as client:
        answer = await client.get("/people/ada", headers=HTML)

    assert 'datetime="2026-05-06T07:08:09Z"' in main(answer)
    assert "may be out of date" in main(answer)


@pytest.mark.parametrize("kind", HOSTILE)
async def test_what_people_are_called_stays_text(kind):
    """Whatever it is: it is escaped, and cannot turn the direction of what stands beside it."""
    text = HOSTILE[kind]
    fields = dict.fromkeys(("display_name", "given_name", "title", "bio", "locale", "external_id"), text)
    nasty = changed(
        ADA, **fields, tags=(text[:64],), links={text[:64]: "javascript://%0aalert(1)"}, attributes={"a": text}
    )
    async with browser(nasty, BOB) as client:
        pages = [await client.get(path, headers=HTML) for path in ("/", "/people/ada")]

    for page in pages:
        assert page.status_code == 200
        assert not re.search(r"<script(?![^>]* src=)|<img|\son\w+=", page.text.replace("&lt;img src=x onerror=", ""))
        assert not re.search(r'(?:href|src)="(?!mailto:|https://ada)\w+:', page.text)
    assert f"<bdi>{escaped(text)}</bdi>" in pages[1].text
    assert f'<bdi class="name">{escaped(text)}</bdi>' in pages[0].text


def escaped(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&#34;")


@pytest.mark.parametrize("path", ["/", "/people/ada", "/people/groups/ssju", "/people/nobody"])
async def test_nothing_on_a_page_is_inline_or_from_elsewhere(client, path):
    """The policy would have it left out; links of people lead elsewhere, but nothing is loaded from there."""
    answer = await client.get(path)
    policy = dict(each.strip().split(" ", 1) for each in answer.headers["Content-Security-Policy"].split(";"))

    assert policy["default-src"] == "'none'"
    assert {policy[each] for each in ("script-src", "style-src", "connect-src", "img-src", "form-action")} == {"'self'"}
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]* src=)|<img", answer.text)
    for loaded in re.findall(r'(?:src|rel="(?:icon|stylesheet)" href)="([^"]+)"', answer.text):
        assert (await client.get(urljoin(str(answer.url), loaded))).status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"


async def test_pictures_are_not_asked_for():
    """The site that serves them would learn who is looked at, by whom and when: only a link leads there."""
    async with browser(changed(ADA, picture_url="https://elsewhere.example/ada.png"), BOB) as client:
        answer = await client.get("/people/ada", headers=HTML)

    assert '<a href="https://elsewhere.example/ada.png" rel="noopener noreferrer nofollow">' in answer.text
    assert ">AL</span>" in answer.text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Ada Lovelace", "AL"),
        ("ada", "A"),
        ("Jean-Luc van der Berg", "JB"),
        ("(Ops) Team", "OT"),
        ("  ", ""),
        ("e\u0301lan", "E\u0301"),
        ("Z" + "\u0301" * 60, "Z\u0301\u0301"),
        ("山田 太郎", "山太"),
        ("! ?", ""),
    ],
)
def test_initials_are_the_first_letters_of_the_first_and_the_last_word(name, shown):
    assert initials(name) == shown


@pytest.mark.parametrize(
    ("url", "leads"),
    [
        ("https://ada.example", True),
        ("mailto:ada@example.org", True),
        ("javascript:alert(1)", False),
        ("JavaScript://%0aalert(1)", False),
        ("data:text/html,x", False),
        ("slack://channel", False),
        ("http://[", False),
    ],
)
def test_links_are_followed_by_schemes_that_only_lead_somewhere(url, leads):
    assert is_followed(url) == leads


def test_an_address_holds_what_is_not_empty():
    assert query([("q", "a b"), ("tag", ""), ("tag", "ü")]) == "?q=a+b&tag=%C3%BC"
