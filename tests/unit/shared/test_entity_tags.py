"""Entity tags of what has many documents."""

import pytest

from shared.read_model.envelope import combined_tag, entity_tag


@pytest.mark.parametrize("count", [1, 80, 81, 500])
def test_the_tag_of_many_documents_is_that_of_all_their_tags(count):
    """However many are hashed at once."""
    tags = [entity_tag(b"%d" % number).encode() for number in range(count)]

    assert entity_tag(b"".join((*tags, b"]}"))) == combined_tag(tags, b"]}")
