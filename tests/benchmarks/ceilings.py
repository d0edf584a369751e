"""What the servers alone do at most: PostgreSQL under pgbench, and Valkey under its own benchmark."""

import asyncio
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from redis import Redis

from shared.dev_stack.embedded.programs import postgres_binaries
from shared.runtime.exit_with_parent import ending_with_parent
from tests.benchmarks.load_generator import Received
from tests.benchmarks.servers import BenchServers, migrate
from tests.benchmarks.sides import Contender

WITHOUT_BENCHMARK = (
    "no valkey-benchmark or redis-benchmark: look-ups are not compared with Valkey alone"
    " (on Debian and Ubuntu: apt install redis-tools)"
)
PGBENCH = "pgbench, 10 clients: a registration's statements as single commands have them, in one trip and transaction"
STATEMENTS = r"""
\set n random(1, 9000000000000000000)
\startpipeline
begin;
insert into command_log (subject, key, command, fingerprint, expires_at)
values ('pgbench', :n::text, 'register-account', sha256(:n::text::bytea), now() + interval '1 day');
insert into accounts
    (id, version, email, email_unique, handle, handle_unique, external_id, external_id_unique, status)
values (md5(:n::text)::uuid, 1, :n || '@people.example', :n || '@people.example', :n, :n, :n, :n, 'active');
insert into profiles
    (id, version, display_name, given_name, family_name, title, locale, time_zone, links, tags, attributes)
values (md5(:n::text)::uuid, 1, 'Ada Lovelace', 'Ada', 'Lovelace', 'Analyst', 'en-GB', 'Europe/London', '{}',
    '{engineering,mentor}', '{"floor": "4", "desk": "042"}');
with logged as (
    insert into event_log (event_id, aggregate, aggregate_id, version, type, schema, data, metadata, occurred_at)
    values (gen_random_uuid(), 'account', md5(:n::text)::uuid, 1, 'account-registered', 1, :registered, '{}', now()),
           (gen_random_uuid(), 'profile', md5(:n::text)::uuid, 1, 'profile-created', 1, :created, '{}', now())
    returning position)
update command_log set outcome_id = md5(:n::text)::uuid, outcome_version = 1,
       outcome_position = (select max(position) from logged)
 where subject = 'pgbench' and key = :n::text;
commit;
\endpipeline
"""
EVENTS = {
    "registered": '{"type": "account-registered", "email": "ada@people.example", "handle": "ada", "external_id": "a"}',
    "created": '{"type": "profile-created", "display_name": "Ada Lovelace", "given_name": "Ada", "tags": ["mentor"]}',
}


def pgbench(servers: BenchServers) -> Contender:
    """Return what PostgreSQL does of a registration's statements, in a database of its own."""
    url = urlsplit(servers.empty_database("pgbench"))
    migrate(url.geturl())
    script = servers.home / "registration.sql"
    script.write_text(_with_events(STATEMENTS))
    program = str(postgres_binaries() / "pgbench")
    flags = ["--no-vacuum", "--client=10", "--jobs=1", "--protocol=prepared", f"--file={script}"]
    where = [f"--host={url.hostname}", f"--port={url.port}", f"--username={url.username}", url.path.strip("/")]

    async def run(seconds: float) -> Received:
        output = await _output(
            [program, *flags, f"--time={max(1, round(seconds))}", *where], PGPASSWORD=str(url.password)
        )
        done, failed = (
            _number(output, what) for what in ("number of transactions actually processed", "number of failed")
        )
        latency = _number(output, "latency average")
        return Received(int(done), done / _number(output, "tps"), latency, latency, int(failed))

    return Contender(what=PGBENCH, run=run, servers={"postgres": [servers.postgres.pid]})


def valkey_benchmark(servers: BenchServers, document: bytes) -> Contender | None:
    """Return how fast Valkey gives a document to 64 connections; None where nothing here measures that."""
    program = shutil.which("valkey-benchmark") or shutil.which("redis-benchmark")
    if program is None:
        print(WITHOUT_BENCHMARK, file=sys.stderr)
        return None
    url = urlsplit(servers.valkey.url)
    with Redis.from_url(servers.valkey.url, db=1) as client:
        client.set("document", document)
    where = ["-h", str(url.hostname), "-p", str(url.port), "-a", str(url.password), "--dbnum", "1"]

    async def run(seconds: float) -> Received:
        requests = int(20_000 * seconds)
        command = [program, *where, "-c", "64", "-n", str(requests), "--csv", "GET", "document"]
        rate, p50, p99 = _csv(await _output(command))
        return Received(requests, requests / rate, p50, p99, 0)

    what = f"{Path(program).name}: GET of one document of {len(document):,} bytes, 64 connections, no HTTP"
    return Contender(what=what, run=run, servers={"valkey": [servers.valkey.pid]})


def _with_events(script: str) -> str:
    """Put the events in as they are: a colon in a JSON text would be a variable to pgbench if it stood alone."""
    for name, text in EVENTS.items():
        script = script.replace(f":{name}", f"'{text}'")
    return script


def _csv(output: str) -> tuple[float, float, float]:
    """Read the line behind the head: the test, a rate, and latencies in milliseconds."""
    head, line = [each for each in output.splitlines() if each.startswith('"')][-2:]
    found: Mapping[str, str] = dict(zip(*(re.findall(r'"([^"]*)"', each) for each in (head, line)), strict=True))
    return float(found["rps"]), float(found["p50_latency_ms"]), float(found["p99_latency_ms"])


def _number(output: str, what: str) -> float:
    found = re.search(rf"^{re.escape(what)}[^=:]*[=:] ([\d.]+)", output, re.MULTILINE)
    assert found, output
    return float(found[1])


async def _output(command: Sequence[str], **variables: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *ending_with_parent(command),
        env={"PATH": "/usr/bin:/bin", **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    output, _ = await process.communicate()
    return output.decode()
