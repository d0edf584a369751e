"""What a program that has ended has said last."""

import pytest

from shared.dev_stack.embedded.server import LEAST_ROOM, last_words, room_at

FULL = ["the disk is full", "Make room"]


@pytest.mark.parametrize(
    ("written", "room", "said"),
    [
        ("", LEAST_ROOM, ["nothing was written"]),
        ("", 4_096, [*FULL, "4096 bytes"]),
        ("half a li", 0, ["half a li", *FULL]),
        ("\n".join(map(str, range(20))), 0, ["13", "19", *FULL]),
        ("the reason\n", LEAST_ROOM, ["the reason"]),
    ],
)
def test_a_full_disk_is_a_reason_that_no_log_on_it_has(tmp_path, written, room, said):
    """It has taken nothing, or half a line."""
    log = tmp_path / "migrate.log"
    log.write_text(written)

    words = last_words(log, room=lambda _: room)

    assert all(each in words for each in said)
    assert ("disk is full" in words) == (room < LEAST_ROOM)


def test_a_disk_with_room_is_not_called_full(tmp_path):
    assert room_at(tmp_path) > LEAST_ROOM
