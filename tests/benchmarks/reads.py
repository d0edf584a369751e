"""
How long each kind of read takes over HTTP, with one client and with many.

    ./muster up, ./muster seed --people 100000 --groups 500, then
    .venv/bin/python -m tests.benchmarks.reads [--read-url http://127.0.0.1:8002] [--clients 1 64] [--seconds 5]

Looks around in the directory for people, groups, tags and names to ask for, then has `wrk` (which must be on PATH) ask
for them in turn, for so many seconds with so many connections. Prints the median and the 99th percentile in
milliseconds, answers a second, the same as a part of those to `/livez`, and errors.
"""

import argparse
import json
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple
from urllib.parse import urlencode

import httpx

from tests.support.access import headers_of_home

LOOKED_AT = 2_000
VARIANTS = 500
DEEP = 1_000

SCRIPT = """
local requests, nth = {}, 0
wrk.headers["Content-Type"] = "application/json"
function init()
  for _, each in ipairs(%s) do
    requests[#requests + 1] = wrk.format(each.method, each.path, wrk.headers, each.body)
  end
end
function request()
  nth = nth %% #requests + 1
  return requests[nth]
end
"""


class Asked(NamedTuple):
    """A kind of read, in as many variants as shall not be the same one."""

    name: str
    paths: Sequence[str]
    bodies: Sequence[str | None] = (None,)


class Taken(NamedTuple):
    """What `wrk` says: milliseconds, answers a second, errors."""

    p50: float
    p99: float
    rate: float
    errors: int


def questions(client: httpx.Client) -> Iterator[Asked]:
    """:raises StopIteration: there is not enough to ask for; seed more people."""
    people = list(_people(client))
    groups = [each["slug"] for each in client.get("/groups?limit=200").json()["items"]]
    ids = [each["account_id"] for each in people]
    yield Asked("/livez", ["/livez"])
    yield Asked("look-up by id", [f"/profiles/{each}" for each in ids])
    yield Asked("look-up by handle", [f"/profiles/by-handle/{each['handle']}" for each in people])
    batches = [json.dumps({"ids": ids[start : start + 100]}) for start in range(0, len(ids) - 100, 100)]
    yield Asked("batch of 100 by id", ["/profiles/batch-get"], batches)
    yield Asked("list by group (50)", [_list(group=each) for each in groups])
    tags = [each["tags"][:2] for each in people if len(each["tags"]) > 1]
    yield Asked("list by two tags (50)", [_list(tag=each) for each in tags])
    yield Asked("search, one word of 3 letters", [_list(q=_words(each)[0]) for each in people])
    yield Asked("search, two words of 3 letters", [_list(q=" ".join(_words(each))) for each in people])
    yield Asked(f"page {DEEP:,} of everybody (50)", [_deep(client)])


def _people(client: httpx.Client) -> Iterator[dict]:
    """Some of everywhere: registered one after the other, so by far not in the order of names."""
    cursor, left = None, LOOKED_AT
    while left > 0:
        page = client.get(_list(sort="created_at", limit="200", **({"cursor": cursor} if cursor else {}))).json()
        yield from (each for each in page["items"] if each["given_name"] and each["family_name"])
        cursor, left = page["next_cursor"], left - 200


def _words(person: dict) -> tuple[str, str]:
    return person["given_name"][:3], person["family_name"][:3]


def _list(**asked: object) -> str:
    return f"/profiles?{urlencode(asked, doseq=True)}"


def _deep(client: httpx.Client) -> str:
    cursor = client.get(_list()).json()["next_cursor"]
    for _ in range(DEEP - 2):
        cursor = client.get(_list(cursor=cursor)).json()["next_cursor"]
    return _list(cursor=cursor)


def taken(asked: Asked, *, url: str, clients: int, seconds: int) -> Taken:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT % _lua(asked))
        script.flush()
        headers = [f"-H{name}: {value}" for name, value in headers_of_home(url).items()]
        command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--latency", *headers, "-s", script.name, url]
        return _read(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _lua(asked: Asked) -> str:
    variants = [(path, body) for path in asked.paths for body in asked.bodies]
    return "{" + ", ".join(_request(path, body) for path, body in islice(variants, VARIANTS)) + "}"


def _request(path: str, body: str | None) -> str:
    method = "GET" if body is None else "POST"
    return f"{{method = {json.dumps(method)}, path = {json.dumps(path)}, body = {json.dumps(body) if body else 'nil'}}}"


def _read(output: str) -> Taken:
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
    errors = [*(refused.groups() if refused else ()), *(broken.groups() if broken else ())]
    return Taken(_milliseconds("50%", output), _milliseconds("99%", output), _rate(output), sum(map(int, errors)))


def _milliseconds(quantile: str, output: str) -> float:
    number, unit = re.search(rf"{re.escape(quantile)}\s+([\d.]+)(us|ms|s)", output).groups()
    return float(number) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit]


def _rate(output: str) -> float:
    return float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--read-url", default="http://127.0.0.1:8002")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--seconds", type=int, default=5)
    arguments = parser.parse_args()
    headers = headers_of_home(arguments.read_url)
    with httpx.Client(base_url=arguments.read_url, headers=headers, timeout=30) as client:
        all_asked = list(questions(client))
    for clients in arguments.clients:
        _print(f"{clients} connection(s)", "p50 ms", "p99 ms", "a second", "of livez", "errors")
        baseline = None
        for asked in all_asked:
            p50, p99, rate, errors = taken(asked, url=arguments.read_url, clients=clients, seconds=arguments.seconds)
            baseline = baseline or rate
            _print(asked.name, f"{p50:.2f}", f"{p99:.2f}", f"{rate:,.0f}", f"{rate / baseline:.2f}", errors)


def _print(name: str, *columns: object) -> None:
    print(f"{name:<34}" + "".join(f"{column:>10}" for column in columns), flush=True)  # noqa: T201 - what it is for


if __name__ == "__main__":
    main()
