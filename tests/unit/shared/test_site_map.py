"""The links between the pages of the three services."""

import pytest

from read_side.pages.app import directory
from read_side.services import memory_views, register_views
from shared.auth.setup import admit_everyone
from shared.http.pages.site_map import PageLink, SiteMap
from shared.settings import Settings
from tests.support.apps import app_client


def test_a_page_leads_to_the_others_by_the_addresses_that_browsers_have():
    """Not to its own, nor by a name by which servers find each other."""
    settings = Settings.load(
        {
            "MUSTER_WRITE_URL": "http://write:8001",
            "MUSTER_READ_URL": "https://people.example.org/muster",
            "MUSTER_OPS_URL": "http://127.0.0.1:8003",
        }
    )

    read, ops = (
        PageLink("Read API", "https://people.example.org/muster/docs"),
        PageLink("Ops API", "http://127.0.0.1:8003/docs"),
    )
    people, dashboard = (
        PageLink("People", "https://people.example.org/muster/"),
        PageLink("Ops page", "http://127.0.0.1:8003/"),
    )
    assert SiteMap.of(settings, own="write") == ([read, ops], [people, dashboard], "")
    assert SiteMap.of(settings, own="read") == ([ops], [dashboard], "People")
    assert SiteMap.of(Settings.load({}), own="ops") == ([], [], "Ops page")


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("localhost:8002", ["https://ops.example.org/", "http://127.0.0.1:8002/"]),
        ("[::1]:8002", ["https://ops.example.org/", "http://127.0.0.1:8002/"]),
        ("people.example.org", ["https://ops.example.org/"]),
        ("127.0.0.1.example.org", ["https://ops.example.org/"]),
        ("[", ["https://ops.example.org/"]),
        ("", ["https://ops.example.org/"]),
    ],
)
def test_what_is_on_this_machine_is_shown_to_browsers_on_it(host, shown):
    """To others 127.0.0.1 is their own machine."""
    pages = [PageLink("Ops page", "https://ops.example.org/"), PageLink("People", "http://127.0.0.1:8002/")]

    site = SiteMap(pages, pages).seen_at(host)

    assert [[each.url for each in links] for links in (site.docs, site.pages)] == [shown, shown]


async def test_a_page_shows_what_its_visitor_may_see():
    site = SiteMap(pages=[PageLink("Ops page", "http://127.0.0.1:8003/")])

    def register(registry):
        register_views(registry, memory_views(patience=0.05))
        registry.register_value(SiteMap, site)

    async with app_client(directory, admit_everyone, register) as client:
        pages = [await client.get("/docs", headers={"Host": host}) for host in ("localhost", "people.example.org")]

    assert ["127.0.0.1" in each.text for each in pages] == [True, False]
