"""Options that several commands take."""

from typing import Annotated

from cyclopts import Parameter, validators

Workers = Annotated[int, Parameter(validator=validators.Number(gte=1))]
"""How many processes share the port of an API."""

Json = Annotated[bool, Parameter(help="print one JSON document, for programs")]
"""Whether a program reads what is printed."""
