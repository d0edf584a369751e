"""The index rows of records: in which lists these stand, and where, for what fills lists and what reads them."""

from shared.read_model.ordering import (
    ANY_STATUS,
    EVERYBODY,
    STATUSES,
    IndexRow,
    group_facet,
    number_key,
    tag_facet,
    text_key,
    time_key,
    word_block,
)
from shared.read_model.records import GroupRecord, ProfileRecord
from shared.text import unique_handle, words


def profile_row(record: ProfileRecord) -> IndexRow:
    """In the lists of all profiles, in the order of each of `PROFILE_ORDERS`, of each group and of each tag by name."""
    return IndexRow(
        facets=(
            EVERYBODY,
            *[group_facet(group.group_id) for group in record.groups],
            *[tag_facet(tag) for tag in record.tags],
        ),
        status=STATUSES[record.status],
        keys=(
            text_key(record.display_name),
            text_key(unique_handle(record.handle)),
            time_key(record.created_at),
            time_key(record.updated_at),
        ),
        words=word_block(_words(record)),
    )


def _words(record: ProfileRecord) -> frozenset[str]:
    names = (record.handle, record.display_name, record.given_name, record.family_name, record.title)
    return words(" ".join(filter(None, (*names, *record.tags))))


def group_row(record: GroupRecord) -> IndexRow:
    """In the list of all groups, in the order of each of `GROUP_ORDERS`."""
    return IndexRow(
        facets=(EVERYBODY,),
        status=ANY_STATUS,
        keys=(
            text_key(record.name),
            text_key(record.slug),
            time_key(record.created_at),
            time_key(record.updated_at),
            number_key(record.member_count),
        ),
        words=word_block(words(record.slug) | words(record.name)),
    )
