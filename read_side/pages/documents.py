"""The people page: HTML made by the server, whole without a script."""

from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from read_side.pages import figures
from shared.auth.principal import ANONYMOUS, COMMANDS, EXPORT, PRIVATE, Principal
from shared.http.pages.documentation import ROOT, STYLE
from shared.http.pages.site_map import SiteMap
from shared.http.pages.templating import templates_of

STYLESHEET = "pages/people.css"

_FILES = files(__package__)
_templates = templates_of(__package__)
_templates.globals |= {
    "root": ROOT,
    "stylesheet": STYLESHEET,
    "initials": figures.initials,
    "tone": figures.tone,
    "instant": figures.instant,
    "day": figures.day,
    "is_followed": figures.is_followed,
    "query": figures.query,
    "left_out": figures.left_out,
    "happened": figures.happened,
    "words": figures.words,
}
_templates.filters["number"] = "{:,}".format


class Viewer(NamedTuple):
    """
    Who looks at a page.

    :param name: whom they are signed in as; None where nobody signs in.
    :param sees_private: e-mail addresses, external ids and attributes.
    :param changes: people and groups.
    :param exports: everything.
    :param site: the pages of the other services.
    """

    name: str | None
    sees_private: bool
    changes: bool
    exports: bool
    site: SiteMap

    @classmethod
    def of(cls, principal: Principal, *, has_write_api: bool, site: SiteMap) -> "Viewer":
        name = None if principal is ANONYMOUS else principal.subject
        scopes = principal.scopes
        return cls(name, PRIVATE in scopes, COMMANDS in scopes and has_write_api, EXPORT in scopes, site)


def document(template: str, **context: Any) -> bytes:
    """Make a page; its links are relative to `ROOT`."""
    return _templates.get_template(template).render(**context).encode()


def style() -> bytes:
    """Return the style that all pages have, and what these need besides."""
    return STYLE.encode() + asset("people.css")


@cache
def asset(name: str) -> bytes:
    """Read a file that is served as it is."""
    return _FILES.joinpath(name).read_bytes()
