"""HTML made by Jinja: values are escaped, and a name that was not given is an error."""

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

ROOT = "__root__/"
"""Stands in links of pages for the way to the service's root; see `shared.http.pages.documentation.linked`."""


def templates_of(package: str) -> Environment:
    """Return the templates that lie beside the modules of a package; they may extend those that lie here."""
    templates = Environment(
        loader=ChoiceLoader([PackageLoader(package, ""), PackageLoader(__package__, "")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    templates.globals["root"] = ROOT
    return templates
