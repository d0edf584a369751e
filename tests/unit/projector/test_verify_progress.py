"""What an operator sees while waiting for a verification."""

from itertools import count

from projector.cli.verify_progress import Watching


class Shown:
    """Takes down every text."""

    def __init__(self):
        self.texts = []

    def show(self, text, *, done):
        self.texts.append((text, done))


def test_it_says_how_far_it_is_and_when_it_will_be_over():
    """From the second time on, when there is a rate."""
    shown, seconds = Shown(), iter((0.0, 2.0))
    watching = Watching(shown, "profiles", clock=lambda: next(seconds))

    watching.folded(1_000, of=10_000)
    watching.folded(4_000, of=10_000)

    assert shown.texts == [
        ("profiles, folding the log: 1,000 of 10,000 events", 0.1),
        ("profiles, folding the log: 4,000 of 10,000 events, 1,500/s, 0:00:04 left", 0.4),
    ]


def test_each_part_has_a_rate_of_its_own():
    """Records are compared at another one than events are folded."""
    shown, seconds = Shown(), count()
    watching = Watching(shown, "profiles", clock=lambda: next(seconds))

    watching.folded(10, of=10)
    watching.compared(1, of=10)

    assert shown.texts[-1] == ("profiles, comparing: 1 of 10 records", 0.1)
