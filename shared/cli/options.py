"""Options that several commands take."""

from typing import Annotated

from cyclopts import Parameter, validators

Workers = Annotated[int, Parameter(validator=validators.Number(gte=1))]
"""How many processes share the port of an API."""
