"""Where a person's record is to be found."""

from collections.abc import Iterator

from projector.folding.projection import Entry, UniqueEntry
from shared.read_model.ordering import (
    EVERYBODY,
    STATUSES,
    IndexRow,
    group_facet,
    tag_facet,
    text_key,
    time_key,
    word_block,
)
from shared.read_model.records import ProfileRecord
from shared.text import unique_email, unique_external_id, unique_handle, words


def unique_entries_of(profile: ProfileRecord) -> Iterator[Entry]:
    """By whatever is unique about a person."""
    yield UniqueEntry("by-handle", unique_handle(profile.handle))
    yield UniqueEntry("by-email", unique_email(profile.email))
    if profile.external_id is not None:
        yield UniqueEntry("by-external-id", unique_external_id(profile.external_id))


def index_row_of(profile: ProfileRecord) -> IndexRow:
    """In the lists of all people, of their groups and of their tags, in the order of each of `PROFILE_ORDERS`."""
    return IndexRow(
        facets=(
            EVERYBODY,
            *[group_facet(group.group_id) for group in profile.groups],
            *[tag_facet(tag) for tag in profile.tags],
        ),
        status=STATUSES[profile.status],
        keys=(
            text_key(profile.display_name),
            text_key(unique_handle(profile.handle)),
            time_key(profile.created_at),
            time_key(profile.updated_at),
        ),
        words=word_block(_words(profile)),
    )


def _words(profile: ProfileRecord) -> frozenset[str]:
    names = (profile.handle, profile.display_name, profile.given_name, profile.family_name, profile.title)
    return frozenset().union(*map(words, filter(None, names)), *map(words, profile.tags))
