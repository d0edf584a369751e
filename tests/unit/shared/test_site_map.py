"""The links between the pages of the three services."""

from shared.http.pages.site_map import PageLink, SiteMap
from shared.settings import Settings


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
