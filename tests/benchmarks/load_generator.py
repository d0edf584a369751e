"""
Requests over HTTP by a program of its own: wrk where there is one, else a client in Python.

The load takes CPU from the servers that it asks, so it must be cheap; what it takes is never counted as theirs.
"""

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from shared.runtime.exit_with_parent import ending_with_parent

ROOT = Path(__file__).parents[2]
WITHOUT_WRK = "no wrk: the load comes from a slower client in Python (on Debian and Ubuntu: apt install wrk)"
_LUA = """
local requests, nth = {}, 0
local unique = %(unique)s
local function made(each)
  local headers, body, path = {}, each.body, each.path
  for name, text in pairs(wrk.headers) do headers[name] = text end
  for name, text in pairs(each.headers) do headers[name] = text end
  if body then headers["Content-Type"] = "application/json" end
  if unique then
    local n = unique .. nth
    path = path:gsub("{n}", n)
    body = body and body:gsub("{n}", n)
    for name, text in pairs(each.headers) do headers[name] = text:gsub("{n}", n) end
  end
  return wrk.format(each.method, path, headers, body)
end
function init()
  for _, each in ipairs(%(requests)s) do
    requests[#requests + 1] = unique and each or made(each)
  end
end
function request()
  nth = nth + 1
  local each = requests[nth %% #requests + 1]
  return unique and made(each) or each
end
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\\n{"operations": %%d, "seconds": %%f, "p50": %%f, "p99": %%f, "errors": %%d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""


class Request(msgspec.Struct, frozen=True):
    """A request; `{n}` in it becomes another text each time, where the traffic is told so."""

    path: str
    body: str | None = None
    method: str = "GET"
    headers: dict[str, str] = {}


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """
    What to send where: as many connections, each of which sends the next request once it is answered.

    :param unique: the beginning of the texts that take the place of `{n}`; None sends the same requests in turn.
    """

    url: str
    requests: Sequence[Request]
    headers: Mapping[str, str] = {}
    connections: int = 64
    unique: str | None = None


class Received(msgspec.Struct, frozen=True):
    """What came back; latencies in milliseconds."""

    operations: int
    seconds: float
    p50: float
    p99: float
    errors: int


def has_wrk() -> bool:
    return shutil.which("wrk") is not None


async def answered(traffic: Traffic, *, seconds: float) -> Received:
    """Send for so many seconds."""
    with _command(traffic, seconds) as (command, said):
        process = await asyncio.create_subprocess_exec(
            *ending_with_parent(command),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
        )
        try:
            output, _ = await process.communicate(said)
        finally:
            if process.returncode is None:
                process.kill()
    return msgspec.json.decode(output.splitlines()[-1], type=Received)


@contextmanager
def _command(traffic: Traffic, seconds: float) -> Iterator[tuple[list[str], bytes]]:
    """The program that sends, and what it is told on its standard input."""
    if not has_wrk():
        yield [sys.executable, "-m", "tests.benchmarks.python_client", str(seconds)], msgspec.json.encode(traffic)
        return
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_LUA % {"unique": _lua(traffic.unique), "requests": _table(traffic.requests)})
        script.flush()
        headers = [f"-H{name}: {value}" for name, value in traffic.headers.items()]
        pace = ["-t1", f"-c{traffic.connections}", f"-d{max(1, round(seconds))}s", "--timeout", "60s"]
        yield ["wrk", *pace, *headers, "-s", script.name, traffic.url], b""


def _table(requests: Sequence[Request]) -> str:
    return "{" + ", ".join(map(_entry, requests)) + "}"


def _entry(request: Request) -> str:
    headers = ", ".join(f"[{_lua(name)}] = {_lua(value)}" for name, value in request.headers.items())
    fields = {name: _lua(getattr(request, name)) for name in ("method", "path", "body")}
    return "{" + ", ".join(f"{name} = {value}" for name, value in fields.items()) + f", headers = {{{headers}}}}}"


def _lua(text: str | None) -> str:
    """Write a text as Lua reads it: all but the numbers of characters that JSON escapes, it understands."""
    return "nil" if text is None else json.dumps(text, ensure_ascii=False)
