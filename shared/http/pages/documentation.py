"""Pages for people: what a service is, and what to do about each problem. They work offline."""

from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

from shared.http.pages.templating import ROOT, templates_of
from shared.problems import Problem

STYLE = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
code,pre{font:14px/1.4 ui-monospace,monospace}
pre{overflow:auto;padding:.75rem;border:1px solid color-mix(in srgb,currentColor 25%,transparent);border-radius:.4rem}
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0}
h2{margin-top:2.5rem}summary{cursor:pointer}.method{font-weight:700}"""
"""The look that all pages have."""


def problem_page(problem: Problem) -> bytes:
    """Describe a problem and what to do about it."""
    return str(_pages.problem(problem)).encode()


def problems_page(problems: Iterable[Problem]) -> bytes:
    """List all problems of a service."""
    return str(_pages.problems(problems)).encode()


def index_page(document: Mapping[str, Any]) -> bytes:
    """Say to people what a service is, and where to read on."""
    return str(_pages.index(document)).encode()


def index(document: Mapping[str, Any]) -> dict[str, Any]:
    """The same for programs; addresses are relative to that of the index."""
    info, paths = document["info"], document["paths"]
    operations = {
        operation["operationId"]: {"method": method.upper(), "href": path.removeprefix("/")}
        for path, methods in paths.items()
        for method, operation in methods.items()
    }
    about = {"title": info["title"], "version": info["version"], "description": info["description"]}
    return about | {"openapi": "openapi.json", "docs": "docs", "problems": "problems", "operations": operations}


def linked(page: bytes, root: str) -> bytes:
    """Give a page its links: they are relative, because a proxy may serve Muster under any path."""
    return page.replace(ROOT.encode(), root.encode())


def read_icon() -> bytes:
    return files(__package__).joinpath("icon.svg").read_bytes()


_pages: Any = templates_of(__package__).get_template("pages.html").module
