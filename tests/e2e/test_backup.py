"""`muster backup` of what runs, `muster restore` into another home, and what is refused."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from tests.support.commands import muster
from tests.support.forks import NOTHING, Fork, call_muster
from tests.support.patience import wait_until
from tests.support.people import registration
from tests.support.stack import Stack, environment

LISTS = ("/profiles?q=backup&status=any&limit=200", "/groups?q=backup&limit=200")


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A home that is empty at first."""
    with TemporaryDirectory(prefix="muster-restored-") as directory:
        yield Path(directory)


@pytest.fixture(scope="module")
def backup(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup that was made while people were registered."""
    file = tmp_path_factory.mktemp("backup") / "muster.dump"
    with _client(stack, stack.addresses.write) as client:
        _post(client, "create-group", slug="backup-staff", name="Backup staff")
        for nth in range(20):
            _register(client, nth)
        others = threading.Thread(target=lambda: [_register(client, nth) for nth in range(20, 60)])
        others.start()
        done = muster(stack.home, "backup", str(file), "--json")
        others.join()
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told == {"file": str(file), "bytes": file.stat().st_size, "position": told["position"]}
    return file


@pytest.fixture(scope="module")
def killed(home: Path, backup: Path) -> bool:
    """Whether a restore was killed in its middle; one that nobody saw begin may have ended."""
    streams = (NOTHING, NOTHING, NOTHING)
    process = Fork(call_muster, "restore", str(backup), streams=streams, **environment(MUSTER_HOME=str(home)))
    wait_until(lambda: (home / "data" / "postgres.unfinished").exists() or process.poll() is not None)
    process.kill()
    process.wait()
    return not (home / "data" / "postgres").exists()


@pytest.fixture(scope="module")
def restored(home: Path, backup: Path, *, killed: bool) -> int:
    """The position at which the home stands after that."""
    done = muster(home, "restore", str(backup), "--json", *([] if killed else ["--fresh"]))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["position"]


def test_a_killed_restore_leaves_a_home_that_can_be_restored(killed, restored, home):
    assert killed
    assert restored > 0
    assert not (home / "data" / "postgres.unfinished").exists()


def test_a_home_that_runs_or_has_data_is_not_overwritten(stack, backup, restored, home):
    running = muster(stack.home, "restore", str(backup), "--fresh")
    assert running.returncode == 1
    assert "another `muster up` runs" in running.stderr

    again = muster(home, "restore", str(backup))
    assert again.returncode == 1
    assert "is not empty" in again.stderr
    assert "--fresh" in again.stderr


def test_what_a_home_has_goes_only_for_a_backup_that_is_whole(backup, restored, home, tmp_path):
    (torn := tmp_path / "torn.dump").write_bytes(backup.read_bytes()[:-20_000])

    for file in (torn, tmp_path / "missing.dump"):
        refused = muster(home, "restore", str(file), "--fresh")
        assert refused.returncode == 1
        assert "Traceback" not in refused.stderr

    after = muster(home, "backup", str(tmp_path / "after.dump"), "--json")
    assert json.loads(after.stdout)["position"] == restored


def test_a_restored_home_is_what_was_backed_up(stack, restored, home):
    """
    The same records, ids, versions and times; what came later is missing, and new people take the next positions.

    Whatever the read models are filled on: here three nodes of a cluster, with which all is well.
    """
    other = Stack(home, "--nodes", "3", is_forked=True)
    try:
        doctor = muster(home, "doctor")
        assert [line for line in doctor.stdout.splitlines() if not line.startswith("✓")] == []
        assert doctor.stdout.count("✓ node ") == 3
        with _client(other, other.addresses.read) as ours, _client(stack, stack.addresses.read) as theirs:
            for path in LISTS:
                there = _records(theirs, path, at_least=0)
                here = _records(ours, path, at_least=restored)
                assert here, path
                assert all(there[name] == record for name, record in here.items())
        with _client(other, other.addresses.write) as client:
            assert int(_register(client, 99).headers["Muster-Position"]) > restored
        verified = muster(home, "verify", "--json")
        assert verified.returncode == 0, verified.stdout + verified.stderr
    finally:
        other.end()


def test_a_backup_overwrites_nothing_and_is_its_owners_alone(stack, backup):
    assert backup.stat().st_mode & 0o777 == 0o600
    before = backup.read_bytes()

    again = muster(stack.home, "backup", str(backup))

    assert again.returncode == 1
    assert "is there already" in again.stderr
    assert backup.read_bytes() == before


def test_your_own_postgresql_has_its_own_tools(stack, home, tmp_path):
    for arguments in (("backup", str(tmp_path / "x.dump")), ("restore", str(tmp_path / "x.dump"))):
        refused = muster(home, *arguments, MUSTER_DATABASE_URL=stack.addresses.database_url)
        assert refused.returncode == 1
        assert "docs/operations/restoring.md" in refused.stderr


def _client(stack: Stack, url: str) -> httpx.Client:
    return httpx.Client(base_url=url, headers=stack.headers, timeout=60, trust_env=False)


def _register(client: httpx.Client, nth: int) -> httpx.Response:
    return _post(client, "register-account", **registration(f"backup-{nth}"))


def _post(client: httpx.Client, command: str, **fields: object) -> httpx.Response:
    answer = client.post(f"/commands/{command}", json=fields)
    assert answer.status_code == 200, answer.text
    return answer


def _records(client: httpx.Client, path: str, *, at_least: int) -> dict[str, object]:
    headers = {"Muster-Min-Position": str(at_least)}
    answer = wait_until(lambda: _unless_behind(client.get(path, headers=headers))).raise_for_status().json()
    return {record.get("handle") or record["slug"]: record for record in answer["items"]}


def _unless_behind(answer: httpx.Response) -> httpx.Response | None:
    return None if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE else answer
