"""The token of `muster up` and how it ends, whatever becomes of the state directory."""

import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest

from shared.auth.authentication import TokenAuthentication
from shared.auth.bearer import TOKEN
from shared.auth.local_access import local_access
from shared.auth.signing_keys import KeyDirectory
from shared.auth.tokens import InvalidToken
from shared.settings import Settings


def settings(home: Path, **variables: str) -> Settings:
    return Settings.load({"MUSTER_HOME": str(home), **variables})


def token(home: Path) -> str:
    return (home / TOKEN).read_text().strip()


async def is_good(token: str, keys: Path) -> bool:
    try:
        await TokenAuthentication(KeyDirectory(keys), audience="muster").authenticate(token)
    except InvalidToken:
        return False
    return True


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A state directory as a `muster up` leaves it that was killed with -9."""
    with local_access(settings(tmp_path / "running")):
        shutil.copytree(tmp_path / "running", tmp_path / "killed")
    return tmp_path / "killed"


def moved(home: Path) -> Path:
    return home.rename(home.with_name("moved"))


def linked(home: Path) -> Path:
    link = home.with_name("link")
    link.symlink_to(home)
    return link


def copied(home: Path) -> Path:
    return shutil.copytree(home, home.with_name("copied"))


def found_by_another_path(home: Path) -> Path:
    return home / ".." / home.name


@pytest.mark.parametrize("again", [Path, moved, linked, copied, found_by_another_path], ids=lambda each: each.__name__)
async def test_the_token_of_a_killed_run_ends_with_the_next(killed, again):
    """Wherever its home is then."""
    home = again(killed)
    old = token(home)
    assert await is_good(old, home / "keys")

    with local_access(settings(home)):
        new = token(home)
        assert [await is_good(each, home / "keys") for each in (old, new)] == [False, True]

    assert [await is_good(each, home / "keys") for each in (old, new)] == [False, False]


async def test_runs_that_share_a_directory_of_keys_spare_each_other(tmp_path, killed):
    """Also where one home is a copy of the other; what a killed run has left there goes."""
    shared = tmp_path / "shared"
    shutil.copytree(killed / "keys", shared)
    old = token(killed)

    with ExitStack() as running:
        homes = [killed, shutil.copytree(killed, tmp_path / "copy")]
        for home in homes:
            running.enter_context(local_access(settings(home, MUSTER_KEYS=str(shared))))

        assert [await is_good(token(home), shared) for home in homes] == [True, True]
        assert not await is_good(old, shared)


async def test_keys_that_operators_made_outlive_every_run(killed):
    """Only what was lent is forgotten."""
    made = KeyDirectory(killed / "keys").signing()

    with local_access(settings(killed)):
        pass

    assert KeyDirectory(killed / "keys").verifying() == made != []
