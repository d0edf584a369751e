"""Why nothing can be read from, or written to, a generation."""

from shared.errors import Unsound


class Superseded(Exception):
    """The store is not as it was when the work began (or may not be): nothing may be concluded, look again."""


class GenerationDamaged(Unsound):
    """A commit was applied in part, or what is stored cannot be read."""
