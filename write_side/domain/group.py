"""A group that people belong to."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from shared.events import GroupCreated, GroupDeleted, GroupUpdated, SlugChanged
from write_side.domain.aggregate import Aggregate
from write_side.domain.values import Description, ExternalId, Name, Slug, plain


@dataclass(eq=False, kw_only=True)
class Group(Aggregate):
    """What people can belong to. It knows nothing of its members: each is a `Membership`."""

    kind = "group"

    slug: Slug
    name: Name
    description: Description | None = None
    external_id: ExternalId | None = None

    @classmethod
    def create(cls, *, id: UUID, at: datetime, **described: Any) -> Self:
        group = cls(id=id, **described)
        group.record(GroupCreated(group_id=id, **plain(described)), at=at)
        return group

    def update(self, *, at: datetime, **changes: Any) -> None:
        """Take on the slug, name or description given; what is as it was counts as not given."""
        changed = {name: value for name, value in changes.items() if value != getattr(self, name)}
        if "slug" in changed:
            self._change_slug(changed.pop("slug"), at=at)
        if changed:
            self.record(GroupUpdated(group_id=self.id, **plain(changed)), at=at)
        for name, value in changed.items():
            setattr(self, name, value)

    def delete(self, *, members: int, at: datetime) -> None:
        """:param members: how many memberships end with the group."""
        self.record(GroupDeleted(group_id=self.id, slug=str(self.slug), members=members), at=at)

    def _change_slug(self, slug: Slug, *, at: datetime) -> None:
        self.record(SlugChanged(group_id=self.id, old=str(self.slug), new=str(slug)), at=at)
        self.slug = slug
