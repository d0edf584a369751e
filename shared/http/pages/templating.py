"""HTML made by Jinja: values are escaped, and a name that was not given is an error."""

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined


def templates_of(package: str) -> Environment:
    """Return the templates that lie beside the modules of a package; they may extend those that lie here."""
    return Environment(
        loader=ChoiceLoader([PackageLoader(package, ""), PackageLoader(__package__, "")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
