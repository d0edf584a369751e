"""Where a browser that is at one service finds the pages of the others."""

from collections.abc import Sequence
from typing import NamedTuple, Self
from urllib.parse import urlsplit

import svcs

from shared.http.requests import AnyRequest, header
from shared.settings import Settings
from shared.urls.http import is_to_loopback, is_trusted

_SERVICES = ("write", "read", "ops")
_PAGES = {"read": "People", "ops": "Ops page"}


class PageLink(NamedTuple):
    """A link to a page of another service."""

    text: str
    url: str

    @property
    def is_to_loopback(self) -> bool:
        return is_to_loopback(urlsplit(self.url).netloc)


class SiteMap(NamedTuple):
    """
    What one service knows of the others.

    :param docs: the documentation of each.
    :param pages: the people page and the ops page.
    :param own: what its own page is called; empty if it has none.
    """

    docs: Sequence[PageLink] = ()
    pages: Sequence[PageLink] = ()
    own: str = ""

    @classmethod
    def of(cls, settings: Settings, *, own: str) -> Self:
        """
        Return the others, as the settings name them: by https or on this machine.

        Other addresses are those by which servers find each other, behind what browsers come through.

        :param own: the service that the pages are of.
        """
        named = {each: getattr(settings, f"{each}_url") for each in _SERVICES if each != own}
        urls = {each: url for each, url in named.items() if url and is_trusted(url)}
        docs = [PageLink(f"{each.capitalize()} API", f"{url}/docs") for each, url in urls.items()]
        pages = [PageLink(_PAGES[each], f"{url}/") for each, url in urls.items() if each in _PAGES]
        return cls(docs, pages, _PAGES.get(own, ""))

    def seen_at(self, host: str) -> Self:
        """
        Leave out what is on this machine for browsers that are not: it would lead them to their own, and tell of ours.

        :param host: the name by which a browser asks.
        """
        if is_to_loopback(host):
            return self
        docs, pages = ([each for each in links if not each.is_to_loopback] for links in (self.docs, self.pages))
        return self._replace(docs=docs, pages=pages)


def site_map_of(request: AnyRequest) -> SiteMap:
    """Return what the pages of one request may show."""
    found: SiteMap = svcs.Container(request.app.state.registry).get(SiteMap)
    return found.seen_at(header(request.scope, b"host") or "")
