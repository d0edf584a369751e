"""Lines are the same, however their bytes come."""

from hypothesis import given
from hypothesis import strategies as st

from shared.lines import LineSplitter

LIMIT = 5


@given(st.lists(st.binary(max_size=9).map(lambda text: text.replace(b"x", b"\n"))))
def test_blocks_are_cut_where_lines_end(blocks):
    """A line that is too long is counted, and not given; the last one needs no end."""
    splitter = LineSplitter(limit=LIMIT)

    lines = [line for block in blocks for line in splitter.feed(block)] + list(splitter.end())

    whole = b"".join(blocks)
    expected = [text if len(text) <= LIMIT else None for text in whole.split(b"\n")]
    assert [line.text for line in lines] == (expected if whole and not whole.endswith(b"\n") else expected[:-1])
    assert sum(line.size for line in lines) == len(whole)


def test_of_a_line_that_is_too_long_nothing_is_held():
    splitter = LineSplitter(limit=LIMIT)

    for _ in range(100):
        assert list(splitter.feed(b"12345")) == []

    assert sum(len(value) for value in vars(splitter).values() if isinstance(value, bytes)) == 0
    assert list(splitter.feed(b"\nnext\n"))[1] == (b"next", 5)
