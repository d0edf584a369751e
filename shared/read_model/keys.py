"""
Every Redis key name.

All keys of a partition share one hash tag, so that one MULTI and one WATCH reach them all. What users choose
(handles, e-mail addresses, ids) is always a field of a hash, never part of a key: no caller can name another key.
"""

from dataclasses import dataclass, field

INDEX_ROW = "sheet"
"""The word in stored keys for the hash of index rows, from before they were called so."""

VARIANTS = (INDEX_ROW, "full")
"""What is kept of each document, see `GenerationKeys.documents`; in the order in which it is written."""


@dataclass(frozen=True, slots=True)
class Keyspace:
    """The key names of one partition; a process is given one where it is composed."""

    tag: str
    """The hash tag of all of them."""

    @property
    def projectors(self) -> str:
        """Set of the projectors there are, and of some that have died since: see `projector`."""
        return self._key("candidates")

    def projector(self, id: str) -> str:
        """The sign of life of a projector, for a few seconds; the id is made by Muster itself."""
        return self._key(f"alive:{id}")

    @property
    def timeline(self) -> str:
        """Hash of what was measured in each minute of the last hour; the projector's alone."""
        return self._key("timeline")

    @property
    def partitions(self) -> str:
        """How many partitions there are, and are to be: see `shared.read_model.layouts`."""
        return self._key("partitions")

    def session(self, digest: str) -> str:
        """A session of the ops page, by a hash of its name."""
        return self._key(f"session:{digest}")

    def used_link(self, token_id: str) -> str:
        """That a sign-in link was used, until it is too old to be used; the id is made by Muster itself."""
        return self._key(f"used-link:{token_id}")

    def limit(self, api: str, digest: str) -> str:
        """How many requests a subject has made at an API, by a hash of the subject."""
        return self._key(f"limit:{api}:{digest}")

    def projection(self, name: str) -> "ProjectionKeys":
        return ProjectionKeys(self, name)

    def _key(self, name: str) -> str:
        return f"muster:{{{self.tag}}}:{name}"


HOME = Keyspace("0")
"""Of all that is not partitioned, and of the only partition where there is one: see `shared.read_model.partitions`."""


@dataclass(frozen=True, slots=True)
class ProjectionKeys:
    """Keys that outlive a projection's generations."""

    keyspace: Keyspace
    projection: str

    def _key(self, name: str) -> str:
        return self.keyspace._key(f"{self.projection}:{name}")  # noqa: SLF001 - one family of names

    @property
    def live(self) -> str:
        """Names the generation that readers use: a `positions.Live`. Absent until the first fill is complete."""
        return self._key("live")

    @property
    def roster(self) -> str:
        """The generations beside the live one: being built, kept, leaving; the projector's alone."""
        return self._key("roster")

    @property
    def announce(self) -> str:
        """The channel on which each commit and each switch is published: a `positions.Announcement`."""
        return self._key("announce")

    def lease(self, version: int) -> str:
        """Who feeds what this version of the projection has made: a projector, as long as it gives signs of life."""
        return self._key(f"lease:{version}")

    def generation(self, name: str) -> "GenerationKeys":
        return GenerationKeys(self, name)


@dataclass(frozen=True, slots=True)
class GenerationKeys:
    """Keys of one generation of a projection; dropping them drops it whole."""

    of: ProjectionKeys
    name: str
    prefix: str = field(init=False, repr=False, compare=False)
    """The prefix of all of them, made once: a commit names twenty keys."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "prefix", self.of._key(f"{self.name}:"))  # noqa: SLF001 - one family of names

    @property
    def projection(self) -> str:
        return self.of.projection

    def _key(self, name: str) -> str:
        return f"{self.prefix}{name}"

    @property
    def contents(self) -> str:
        """
        The names behind the prefix of all collections that the generation may have, in JSON.

        Written by the code that begins the generation: another release, with other collections, drops it whole too.
        """
        return self._key("contents")

    @property
    def checkpoint(self) -> str:
        """The events that the generation reflects: a `positions.Checkpoint`."""
        return self._key("checkpoint")

    @property
    def damaged(self) -> str:
        """Why the generation must not be fed any more, in words; absent while it is sound."""
        return self._key("damaged")

    @property
    def parked(self) -> str:
        """
        Hash of what could not be folded yet, by the revision at which it was written; the checkpoint names the field.

        So the checkpoint alone says what is parked: a commit of which a crash leaves any part leaves the field that the
        checkpoint names as it was.
        """
        return self._key("parked")

    def documents(self, kind: str, variant: str) -> str:
        """
        Hash of documents by entity id.

        `variant` is `full` (sealed, see `envelope.seal`), or `INDEX_ROW` (an `ordering.IndexRow` in MessagePack).
        """
        return self._key(f"{kind}:{variant}")

    def unique_entries(self, by: str) -> str:
        """Hash of entity ids by a normalised value, such as `by-handle`."""
        return self._key(by)

    def sorted_entries(self, by: str) -> str:
        """Sorted set in which all scores are 0: entries as `shared.read_model.ordering` makes them, in some order."""
        return self._key(f"list:{by}")
