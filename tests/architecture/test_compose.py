"""The container way: what compose.yaml and the Dockerfile promise, as far as it can be seen without running them."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from shared.cli.commands import COMMANDS
from shared.settings import DEFAULT, Settings
from tests.support.composed import PASSWORDS, composed, on_a_cluster

ROOT = Path(__file__).parents[2]
OURS = ("migrate", "write", "consume", "project", "react", "read")
KEYS = "keys"
NODES = [f"valkey-{nth}" for nth in range(1, 7)]


@pytest.fixture(scope="module")
def services():
    """The services as written, with passwords and defaults filled in."""
    return composed()


def test_docker_compose_accepts_it():
    """By its own word, where there is such a client."""
    if shutil.which("docker") is None:
        pytest.skip("no docker client here")
    if subprocess.run(["docker", "compose", "version"], check=False, capture_output=True).returncode:
        pytest.skip("the docker client here has no compose plugin")

    ran = subprocess.run(
        ["docker", "compose", "config", "--quiet"],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **PASSWORDS},
    )

    assert ran.returncode == 0, ran.stderr


def test_every_process_is_there_and_runs_its_command(services):
    """Every process, the migrations, and the two servers."""
    assert {*OURS, KEYS, "postgres", "valkey", "cluster", *NODES} == set(services)
    assert [[name] for name in OURS] == [services[name]["command"] for name in OURS]
    assert set(OURS) < set(COMMANDS)


@pytest.mark.parametrize("name", [*OURS, KEYS])
def test_every_setting_is_one(services, name):
    """A misspelt variable would stop the container at its start."""
    settings = Settings.load(services[name]["environment"])

    if name == "read":
        assert settings.database_url is None
    else:
        assert settings.required("database_url").endswith("@postgres:5432/muster")
    assert settings.required("redis_url").endswith("@valkey:6379/0")


def test_what_runs_for_long_says_whether_it_is_well(services):
    """And the migrations run once, before those who need the tables."""
    assert {"migrate", KEYS, "cluster"} == {name for name, service in services.items() if "healthcheck" not in service}
    for name in ("write", "project", "react"):
        assert services[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


def test_the_read_side_needs_no_postgres(services):
    """It starts and serves with PostgreSQL down."""
    assert set(services["read"]["depends_on"]) == {"keys", "valkey", "cluster"}


def test_a_process_that_listens_to_all_asks_for_tokens(services):
    """By keys that are there before it starts, and that only one service can change."""
    for name in ("write", "project", "read"):
        settings = Settings.load(services[name]["environment"])
        assert (settings.auth, str(settings.key_directory)) == ("on", "/home/muster/keys")
        assert services[name]["depends_on"][KEYS]["condition"] == "service_completed_successfully"
        assert services[name]["volumes"] == ["keys:/home/muster/keys:ro"]
    assert services[KEYS]["command"] == ["keys", "new", "--if-none"]
    assert services[KEYS]["volumes"] == ["keys:/home/muster/keys"]
    assert "--owner muster --mode 0700 /home/muster/keys /home/muster/mail" in (ROOT / "Dockerfile").read_text()


def test_the_servers_keep_what_they_are_told(services):
    """On volumes, and without evicting anything."""
    assert [services[name]["volumes"] for name in ("postgres", "valkey")] == [
        ["postgres:/var/lib/postgresql"],
        ["valkey:/data"],
    ]
    assert "appendonly yes" in services["valkey"]["command"][-1]
    assert "maxmemory-policy noeviction" in services["valkey"]["command"][-1]


def test_nodes_run_only_where_the_profile_is_asked_for(services):
    """What needs Redis waits for those that there are."""
    assert {name for name, each in services.items() if each.get("profiles") == ["cluster"]} == {"cluster", *NODES}
    assert set(services["cluster"]["depends_on"]) == set(NODES)
    for name in ("consume", "project", "read"):
        cluster = services[name]["depends_on"]["cluster"]
        assert cluster == {"condition": "service_completed_successfully", "required": False}


def test_every_process_is_led_to_the_nodes_by_what_the_page_says():
    """Into twelve partitions, by a password that has no default."""
    services = composed(**on_a_cluster())

    for name in (*OURS, KEYS):
        settings = Settings.load(services[name]["environment"])
        assert (settings.redis_url, settings.partitions) == ("redis+cluster://:secret@valkey-1,valkey-2,valkey-3", 12)


def test_no_number_of_partitions_is_wished_for_that_was_not_set(services):
    """Else each start would go back to it from what is recorded."""
    for name in (*OURS, KEYS):
        assert Settings.load(services[name]["environment"]).sources["partitions"] == DEFAULT


def test_nothing_of_ours_runs_as_root_or_may_become_it(services):
    """Nor can it write anywhere but to its temporary files."""
    assert re.search(r"^USER muster$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    for name in (*OURS, KEYS, "cluster"):
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["read_only"]


def test_the_image_is_made_from_the_lock():
    """With its hashes, and with every package of the project."""
    dockerfile = (ROOT / "Dockerfile").read_text()

    assert "--require-hashes -r requirements.lock" in dockerfile
    for package in ("shared", "write_side", "projector", "read_side"):
        assert f"COPY {package} {package}" in dockerfile
