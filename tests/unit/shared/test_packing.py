"""Commands as Redis reads them."""

from hypothesis import given
from hypothesis import strategies as st

from shared.redis.pipelined import pack, pack_alike

WORDS = st.lists(st.binary(max_size=12), min_size=1, max_size=8)


@given(st.binary(max_size=12), WORDS | st.lists(st.binary(min_size=5, max_size=5), min_size=1), st.binary(max_size=4))
def test_many_words_of_a_kind_are_packed_as_single_ones_are(key, words, prefix):
    """Of one length or of several, with a beginning of their own or without one."""
    expected = pack("ZMSCORE", key, *(prefix + word for word in words))

    assert expected == pack_alike(b"ZMSCORE", key, words, prefix=prefix)
