"""Documents as they are stored: their beginning is what everybody sees, byte for byte."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.folding.codec import DocumentCodec
from projector.projections.profiles import GROUP, PROFILE, GroupName
from shared.read_model.envelope import public_form, unseal
from shared.read_model.records import PublicProfileRecord
from tests.support.histories import nth_id
from tests.support.read_side import ADA, changed

SINCE = datetime(2026, 11, 25, tzinfo=UTC)
texts = st.text() | st.sampled_from(['","email":"', "}", '{"', "\\"])
named = st.dictionaries(st.sampled_from(["email", "attributes", "stale_since"]) | texts, texts)
profiles = st.builds(
    lambda bio, links, tags, attributes, email, external_id: changed(
        ADA, bio=bio, links=links, tags=tags, attributes=attributes, email=email, external_id=external_id
    ),
    *(texts, named, st.lists(texts).map(tuple), named, texts, st.none() | texts),
)
codec = DocumentCodec(PROFILE)


@given(record=profiles, since=st.none() | st.just(SINCE))
def test_everybody_is_served_the_beginning_of_a_record(record, since):
    """As if the public record had been stored alone; whatever people write, no private field is in it."""
    mark = {} if since is None else {"stale_since": since}
    shown = {name: getattr(record, name) for name in PublicProfileRecord.__struct_fields__}

    sealed = codec.seal(record, position=7, stale_since=since and msgspec.to_builtins(since))

    assert public_form(sealed) == msgspec.json.encode(PublicProfileRecord(**shown | mark))
    assert codec.record(unseal(sealed)) == record


def test_what_is_not_divided_has_no_public_form():
    """Not even an empty one: nobody has said what may be shown."""
    group = GroupName(group_id=nth_id(1), slug="board", name="Board")

    sealed = DocumentCodec(GROUP).seal(group, position=7)

    with pytest.raises(ValueError, match="everybody may see"):
        public_form(sealed)
