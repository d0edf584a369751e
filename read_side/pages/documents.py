"""The people page: HTML made by the server, whole without a script."""

from typing import NamedTuple

from read_side.pages import figures
from shared.auth.principal import ANONYMOUS, COMMANDS, EXPORT, PRIVATE, Principal
from shared.http.pages.packaged import PackagedPages

PAGES = PackagedPages(__package__, "pages", "people.css", "people.js")
PAGES.templates.globals |= {
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
PAGES.templates.filters["number"] = "{:,}".format


class Viewer(NamedTuple):
    """
    Who looks at a page.

    :param name: whom they are signed in as; None where nobody signs in.
    :param sees_private: e-mail addresses, external ids and attributes.
    :param changes: people and groups.
    :param exports: everything.
    """

    name: str | None
    sees_private: bool
    changes: bool
    exports: bool

    @classmethod
    def of(cls, principal: Principal, *, has_write_api: bool) -> "Viewer":
        name = None if principal is ANONYMOUS else principal.subject
        scopes = principal.scopes
        return cls(name, PRIVATE in scopes, COMMANDS in scopes and has_write_api, EXPORT in scopes)
