"""What a person shows."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from shared.events import ProfileCreated, ProfileUpdated
from write_side.domain.aggregate import Aggregate
from write_side.domain.values import Bio, Label, Locale, Name, Note, Tag, TimeZone, Title, Url, plain


@dataclass(eq=False, kw_only=True)
class Profile(Aggregate):
    """What a person shows; it has the id of its account and a version of its own."""

    kind = "profile"

    display_name: Name
    given_name: Name | None = None
    family_name: Name | None = None
    title: Title | None = None
    bio: Bio | None = None
    locale: Locale | None = None
    time_zone: TimeZone | None = None
    picture_url: Url | None = None
    links: dict[Label, Url] = field(default_factory=dict)
    tags: tuple[Tag, ...] = ()
    attributes: dict[Label, Note] = field(default_factory=dict)

    @classmethod
    def create(cls, *, id: UUID, at: datetime, **shown: Any) -> Self:
        profile = cls(id=id, **shown)
        profile.record(ProfileCreated(account_id=id, **plain(shown)), at=at)
        return profile

    def update(self, *, at: datetime, **changes: Any) -> None:
        """Take on the fields given; those that are as they were count as not given."""
        changed = {name: value for name, value in changes.items() if value != getattr(self, name)}
        if not changed:
            return
        self.record(ProfileUpdated(account_id=self.id, **plain(changed)), at=at)
        for name, value in changed.items():
            setattr(self, name, value)
