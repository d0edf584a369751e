"""What other accounts may do with files of people and secrets: nothing, whatever the umask was or is."""

import os
import stat
from pathlib import Path

import pytest

from shared.private_files import close_to_others, make_private_directory, write_private
from tests.support.modes import open_to_others


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def _umask(request):
    """What the shell of the operator has set."""
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.fixture
def home(tmp_path):
    """A state directory as it was made with the umask 000."""
    before = os.umask(0)
    (tmp_path / "home" / "data" / "redis" / "appendonlydir").mkdir(parents=True)
    (tmp_path / "home" / "data" / "redis" / "appendonlydir" / "a.aof").write_text("people")
    (tmp_path / "home" / "token").write_text("secret")
    os.umask(before)
    return tmp_path / "home"


@pytest.mark.usefixtures("_umask")
def test_what_is_made_is_for_its_owner_alone(tmp_path):
    """Directories with those above them, and files that are written again."""
    top = tmp_path / "top"
    make_private_directory(top / "below" / "further")
    make_private_directory(top)
    for text in ("first", "second"):
        write_private(top / "below" / "token", text)

    assert open_to_others(top) == set()
    assert (top / "below" / "token").read_text() == "second"


def test_what_was_open_is_closed_and_stays_usable_to_its_owner(home):
    """Files keep what their owner may do with them."""
    (home / "data" / "script").touch()
    (home / "data" / "script").chmod(0o755)

    assert close_to_others(home, within=("data",)) == []

    assert open_to_others(home) == set()
    assert stat.S_IMODE((home / "data" / "script").stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "token").stat().st_mode) == 0o600


def test_links_lead_nobody_out(home, tmp_path):
    """Neither one to a file nor one to a directory; the state directory itself may be reached through one."""
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "file").touch()
    for path, mode in ((outside / "file", 0o644), (outside / "deep", 0o755), (outside, 0o755)):
        path.chmod(mode)
    (home / "data" / "file").symlink_to(outside / "file")
    (home / "data" / "directory").symlink_to(outside)
    (home / "data" / "nowhere").symlink_to(outside / "missing")
    link = tmp_path / "link"
    link.symlink_to(home)

    assert close_to_others(link, within=("data",)) == []

    assert open_to_others(home) == set()
    assert open_to_others(outside) == {".", "deep", "file"}


def test_directories_of_others_in_it_are_left_as_they_are(home):
    """Where others have theirs beside ours; the closed one above them keeps all accounts out."""
    (home / "website").mkdir()
    (home / "website").chmod(0o755)

    assert close_to_others(home, within=("data",)) == []

    assert open_to_others(home) == {"website"}
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_what_is_not_ours_to_change_is_named(home, monkeypatch):
    """And all else is closed: a foreign owner stops nothing."""
    ours, change = home / "data" / "redis" / "appendonlydir", os.fchmod

    def refusing(file, mode):
        if Path(f"/proc/self/fd/{file}").readlink() == ours:
            raise PermissionError(1, "Operation not permitted")
        change(file, mode)

    monkeypatch.setattr(os, "fchmod", refusing)

    [failure] = close_to_others(home, within=("data",))

    assert (failure.filename, failure.strerror) == (str(ours), "Operation not permitted")
    assert open_to_others(home) == {"data/redis/appendonlydir"}
