"""Pages for people: the documentation of a service, and what to do about each problem. They work offline."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

import msgspec

from shared.problems import Problem

STYLE = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
code,pre{font:14px/1.4 ui-monospace,monospace}
pre{overflow:auto;padding:.75rem;border:1px solid color-mix(in srgb,currentColor 25%,transparent);border-radius:.4rem}
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0}
h2{margin-top:2.5rem}summary{cursor:pointer}.method{font-weight:700}"""
"""The look that all pages have."""


def page(title: str, body: str) -> bytes:
    """Return a whole HTML document; `body` is HTML already."""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE}</style><h1>{escape(title)}</h1>{body}</html>"
    ).encode()


def problem_page(problem: Problem) -> bytes:
    """Describe a problem and what to do about it."""
    return page(
        problem.title,
        f"<p>HTTP status {problem.status}, type <code>/problems/{escape(problem.name)}</code>.</p>"
        f"<p><strong>What to do:</strong> {escape(problem.remedy)}</p>"
        '<p><a href="/problems">All problems</a> · <a href="/docs">The API</a></p>',
    )


def problems_page(problems: Iterable[Problem]) -> bytes:
    """List all problems of a service."""
    rows = "".join(
        f'<tr><td><a href="/problems/{escape(each.name)}"><code>{escape(each.name)}</code></a>'
        f"<td>{each.status}<td>{escape(each.title)}"
        for each in problems
    )
    return page("Problems", f"<table><tr><th>Name<th>Status<th>Meaning{rows}</table>")


def documentation_page(document: Mapping[str, Any]) -> bytes:
    """Show an OpenAPI document to people."""
    info = document["info"]
    operations = "".join(
        _operation(method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    schemas = "".join(_schema(name, schema) for name, schema in document["components"]["schemas"].items())
    links = '<p><a href="/openapi.json">OpenAPI document</a> · <a href="/problems">Problems</a></p>'
    return page(
        f"{info['title']} {info['version']}",
        f"<p>{escape(info['description'])}</p>{links}{operations}<h2>Schemas</h2>{schemas}",
    )


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    parameters = "".join(
        f"<tr><td><code>{escape(each['name'])}</code><td>{each['in']}{', required' if each['required'] else ''}"
        f"<td>{escape(each['description'])}"
        for each in operation["parameters"]
    )
    answers = "".join(
        f"<tr><td>{status}<td>{escape(answer['description'])}" for status, answer in operation["responses"].items()
    )
    body = "".join(_content(each) for each in [operation.get("requestBody"), operation["responses"]["200"]] if each)
    return (
        f'<h2 id="{operation["operationId"]}">'
        f'<code><span class="method">{method.upper()}</span> {escape(path)}</code></h2>'
        f"<p>{escape(operation['summary'])}</p><p>{escape(operation['description'])}</p>"
        f"{body}<table>{parameters}</table><table>{answers}</table>"
    )


def _content(described: Mapping[str, Any]) -> str:
    """Name what is sent or answered, with a link to its schema."""
    direction = "Answers" if "description" in described else "Takes"
    return "".join(
        f"<p>{direction} <code>{escape(media_type)}</code> {_reference(content['schema'])}</p>"
        for media_type, content in described["content"].items()
    )


def _reference(schema: Mapping[str, Any]) -> str:
    if several := schema.get("anyOf"):
        return " or ".join(map(_reference, several))
    name = schema.get("$ref", "").rpartition("/")[2]
    return f'<a href="#{escape(name)}">{escape(name)}</a>' if name else ""


def _schema(name: str, schema: Mapping[str, Any]) -> str:
    shown = msgspec.json.format(msgspec.json.encode(schema), indent=2).decode()
    summary = f"<summary><code>{escape(name)}</code></summary>"
    return f'<details id="{escape(name)}">{summary}<pre>{escape(shown)}</pre></details>'
