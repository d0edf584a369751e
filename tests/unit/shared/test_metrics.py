"""The directory in which several workers count together."""

import tempfile

from shared.observability.metrics import metrics_of


def test_what_a_process_counts_in_stays_as_others_start(tmp_path, monkeypatch):
    """What nobody holds was left by one that was killed."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "muster-metrics-abandoned").mkdir()
    (tmp_path / "of-others").mkdir()

    with metrics_of(2), metrics_of(2):
        used = sorted(tmp_path.glob("muster-metrics-*"))

    assert len(used) == 2
    assert [each.name for each in tmp_path.iterdir()] == ["of-others"]
