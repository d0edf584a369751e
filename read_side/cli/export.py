"""`muster export`: all people and groups to stdout, as the read API sends them."""

import sys
from typing import Literal

import httpx

from shared.cli.api_client import ANSWER_SECONDS, READ_API, ApiFailed, blocking_httpx_client, refused
from shared.cli.streams import OutputLost
from shared.runtime.progress import Progress
from shared.settings import Settings


def export(*, format: Literal["ndjson", "csv"] = "ndjson") -> None:
    """
    Write all people and groups to stdout: `muster export > FILE`.

    It needs a token with the scopes profiles:read and export. Import what it writes with `muster import FILE --no-mail`
    into an empty Muster: it has the same records, with versions and times of its own.

    :param format: ndjson for commands that `muster import` takes, one a line; csv for a table of people.
    """
    settings = Settings.here()
    timeout = httpx.Timeout(ANSWER_SECONDS, read=120.0)
    with blocking_httpx_client(READ_API, settings, timeout=timeout) as client, Progress(sys.stderr) as progress:
        try:
            with client.stream("GET", "/export", params={"format": format}) as response:
                if not response.is_success:
                    response.read()
                    raise refused(READ_API, response)
                _write(response, progress.begin("byte", total=None))
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise ApiFailed(f"the read API does not answer, or not to the end ({reason}): nothing is whole") from error


def _write(response: httpx.Response, progress: Progress) -> None:
    try:
        for block in response.iter_bytes():
            sys.stdout.buffer.write(block)
            progress.show(response.num_bytes_downloaded)
        sys.stdout.buffer.flush()
    except OSError as error:
        raise OutputLost(error) from error
