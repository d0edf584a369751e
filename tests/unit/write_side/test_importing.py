"""The import as its user and the write API see it; the write API is a fake of a few lines."""

import bz2
import gzip
import io
import json
import lzma
import os

import httpcore
import httpx
import pytest

from shared.cli.api_client import WRITE_API, blocking_httpx_client
from shared.cli.exit_codes import FAILED, WrongUsage
from shared.client.formats import commands_of
from shared.client.importing import import_file
from shared.client.lines import BLOCK_BYTES, CHUNK_LINES, MAX_LINE_BYTES, Line, read_chunks
from shared.client.run import Posting, failure, send_all
from shared.client.sender import TIMEOUT, GaveUp, LineResult, Sender, SenderLimits, WrongField
from shared.runtime.progress import Progress
from shared.settings import Settings
from tests.support.clock import Time
from tests.unit.write_side import fake_write_api

ONE, TWO, THREE = (
    json.dumps({"command": "suspend-account", "account": f"@{name}"}) for name in ("one", "two", "three")
)


def no_table(_):
    raise AssertionError("it is none")


@pytest.fixture
def api():
    return fake_write_api.FakeWriteApi()


@pytest.fixture
def run(api, tmp_path, capsys):
    """Import a file with these lines; returns the exit status, the result and what was said meanwhile."""

    def run(*lines, as_json=True, head=None):
        file = tmp_path / "commands.jsonl"
        file.write_text("".join(f"{line}\n" for line in lines))
        posting = Posting(client=api.client(), head=lambda: head, as_json=as_json)
        status = import_file(str(file), posting, table=no_table)
        out, err = capsys.readouterr()
        return status, json.loads(out) if as_json else out, err

    return run


class RecordingObserver:
    """Remembers what happened to the lines."""

    def __init__(self):
        self.done_lines = []
        self.waits = []

    def done(self, line, answer):
        self.done_lines.append((line.number, answer.status))

    def waiting(self, why):
        self.waits.append(why)


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def observer():
    return RecordingObserver()


@pytest.fixture
def sender(api, time, observer):
    return Sender(client=api.client(), observer=observer, clock=time, sleep=time.sleep)


def chunk_of(*lines):
    (chunk,) = read_chunks(io.BytesIO("".join(f"{line}\n" for line in lines).encode()))
    return chunk


def keys(request):
    return [command["idempotency_key"] for command in request]


def test_commands_are_posted_in_their_order_as_they_stand(run, api):
    status, summary, _ = run(ONE, TWO, THREE)

    (request,) = api.requests
    assert status == 0
    assert [command["account"] for command in request] == ["@one", "@two", "@three"]
    assert summary == {"lines": 3, "applied": 3, "replayed": 0, "failed": 0, "position": 3} | {
        "seconds": summary["seconds"]
    }


def test_a_line_that_occurs_twice_is_meant_twice(run, api):
    """Each has a key of its own, of visible characters, and both have the same keys in the next run."""
    run(ONE, TWO, ONE)
    _, summary, _ = run(ONE, TWO, ONE)

    first, second = map(keys, api.requests)
    assert len(set(first)) == 3
    assert first == second
    assert all(key.startswith("import:") and len(key) < 255 for key in first)
    assert (summary["applied"], summary["replayed"]) == (0, 3)


def test_a_key_does_not_depend_on_how_lines_end(run, api):
    run(ONE, TWO)
    run(ONE + "\r", TWO + "\r", "\r")

    first, second = map(keys, api.requests)
    assert first == second


def test_a_line_that_brings_a_key_keeps_it(run, api):
    """Unless it is null, which is none."""
    run('{"idempotency_key": "mine", "command": "a"}', '{"idempotency_key": null, "command": "a"}')

    mine, made = keys(api.requests[0])
    assert mine == "mine"
    assert made.startswith("import:")


def test_numbers_and_text_are_sent_as_they_stand(run, api):
    run('{"command": "a", "big": 123456789012345678901234567890, "accent": "Sánchez"}')

    assert api.requests[0][0]["big"] == 123456789012345678901234567890
    assert api.requests[0][0]["accent"] == "Sánchez"


def test_a_failed_line_is_reported_and_the_rest_goes_on(run, api):
    """By its number in the file, where blank lines count."""
    status, summary, said = run("", ONE, "  \t", '{"command": "a", "refused": 1}', TWO)

    assert status == 1
    assert (summary["lines"], summary["applied"], summary["failed"]) == (3, 2, 1)
    assert said == "line 4: 422 Invalid: No (invalid)\n    /refused is not a field here\n"


def test_a_failed_line_says_nothing_twice():
    said = failure(Line(1, b"", 0), LineResult(409, type="/problems/slug-taken", title="Taken", detail="Taken"))

    assert said == "line 1: 409 Taken (slug-taken)"


def test_a_name_in_the_file_passes_for_no_answer():
    """Its author may have called a field what would look like another line, and steer a terminal."""
    wrong = WrongField(pointer="/x\nline 2: 200\x1b[2J", detail="is not a field here")

    said = failure(Line(1, b"", 0), LineResult(422, title="Invalid", detail="No", errors=(wrong,)))

    assert said == "line 1: 422 Invalid: No\n    /x\\u000aline 2: 200\\u001b[2J is not a field here"


def test_a_line_that_is_too_long_is_never_sent(run, api):
    """Nor one that is so with its key; what is left of the file is."""
    longest = '{"command": "' + "a" * (MAX_LINE_BYTES - 15) + '"}'
    status, summary, said = run(ONE, "x" * (3 * BLOCK_BYTES), longest, TWO)

    assert len(longest) == MAX_LINE_BYTES
    assert status == 1
    assert [command["account"] for request in api.requests for command in request] == ["@one", "@two"]
    assert (summary["applied"], summary["failed"]) == (2, 2)
    assert [line.partition(" The")[0] for line in said.splitlines()] == ["line 2: 413", "line 3: 413"]


def test_nothing_is_posted_for_lines_that_are_all_too_long(run, api):
    status, summary, _ = run("{" + "x" * MAX_LINE_BYTES)

    assert (status, summary["failed"], api.requests) == (1, 1, [])


@pytest.mark.parametrize("broken", [b"{", b"[1]", b'"text"', b"\xff\xfe", b"[" * 20_000])
def test_what_is_no_command_is_left_to_the_write_api(broken):
    """It says what is wrong; here, nothing of it is understood."""
    (chunk,) = read_chunks(io.BytesIO(broken + b"\n" + ONE.encode() + b"\n"))

    assert chunk[0].body == broken
    assert b"idempotency_key" in chunk[1].body


def test_a_request_is_bounded_and_so_is_what_is_read_ahead():
    """However long the file is, and however long its lines are."""
    short, long = b'{"command": "a"}\n' * 1_000, b'{"command": "%s"}\n' % (b"x" * 60_000) * 20
    source = io.BytesIO((short + long) * 5)
    ahead = done = 0

    for chunk in read_chunks(source):
        ahead = max(ahead, source.tell() - done)
        done = chunk[-1].reached
        assert len(chunk) <= CHUNK_LINES
        assert sum(len(line.body) for line in chunk) < BLOCK_BYTES + MAX_LINE_BYTES + 100 * CHUNK_LINES

    assert done == source.tell()
    assert ahead < 2 * BLOCK_BYTES + MAX_LINE_BYTES


@pytest.mark.parametrize("size", [13, 1_000])
def test_lines_are_found_however_they_arrive(size):
    whole = f"{ONE}\n\n{TWO}\n{'x' * (MAX_LINE_BYTES + 1)}\n{THREE}".encode()

    class Pieces(io.BytesIO):
        def read1(self, _size):
            return super().read1(size)

    lines = [line for chunk in read_chunks(Pieces(whole)) for line in chunk]

    assert [line.number for line in lines] == [1, 3, 4, 5]
    assert [line.body is None for line in lines] == [False, False, True, False]


def test_no_command_waits_in_a_pipe_for_the_next():
    """A program that writes commands as they come up has each posted at once."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as source, os.fdopen(writing, "wb", buffering=0) as pipe:
        chunks = read_chunks(source)
        pipe.write(f"{ONE}\n{TWO}".encode())

        (only,) = next(chunks)

    assert json.loads(only.body)["account"] == "@one"


@pytest.mark.parametrize("fault", [fake_write_api.storage_unavailable, fake_write_api.drop])
def test_what_was_not_answered_is_sent_again_with_the_same_keys(sender, api, observer, fault):
    """Lines that were answered have their answer; those behind them wait their turn."""
    api.faults.append(fault)

    sender.send(chunk_of(ONE, TWO, THREE))

    assert observer.done_lines == [(1, 200), (2, 200), (3, 200)]
    assert keys(api.requests[1]) == keys(api.requests[0])[1:]
    assert len(api.applied) == 3
    assert len(observer.waits) == 1


def test_a_write_api_that_is_away_is_waited_for(sender, api, observer, time):
    """For as long as it asks, where it does."""
    api.faults.extend([fake_write_api.refuse_connection, fake_write_api.refuse_connection, fake_write_api.unavailable])

    sender.send(chunk_of(ONE))

    assert observer.done_lines == [(1, 200)]
    assert time.slept == [0.1, 0.2, 7.0]
    assert observer.waits[0] == "ConnectError: Connection refused"


def test_patience_ends_when_nothing_moves(sender, api, observer, time):
    api.faults.extend([fake_write_api.refuse_connection] * 1_000)

    with pytest.raises(GaveUp, match=r"from line 1 on .*Connection refused.*run this again"):
        sender.send(chunk_of(ONE))

    assert SenderLimits().patience - 2 <= sum(time.slept) <= SenderLimits().patience


def test_patience_begins_anew_with_each_line(sender, api, observer, time):
    """A slow import is no failed one."""
    for _ in range(3):
        api.faults.extend([*[fake_write_api.refuse_connection] * 25, fake_write_api.storage_unavailable])

    sender.send(chunk_of(*[ONE, TWO] * 4))

    assert len(observer.done_lines) == 8
    assert sum(time.slept) > 2 * SenderLimits().patience


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404, json={"status": 404, "title": "There is nothing here"}),
        httpx.Response(405, text="<html>"),
        httpx.Response(200, text="<html>Welcome</html>\n"),
        httpx.Response(200, text='{"line": 2, "status": 200}\n'),
    ],
)
def test_what_is_no_write_api_is_not_asked_again(sender, api, answer):
    api.faults.append(lambda *_: answer)

    with pytest.raises(GaveUp, match=r"^http://write\.test/commands "):
        sender.send(chunk_of(ONE))

    assert len(api.requests) == 1


def test_an_answer_may_hold_any_text(sender, api, observer):
    """U+2028 and U+0085 end a line for Python, but not for JSON."""
    line = json.dumps({"line": 1, "status": 404, "detail": "no \u2028 \x85 such"}, ensure_ascii=False)
    api.faults.append(lambda *_: httpx.Response(200, content=line.encode() + b"\n"))

    sender.send(chunk_of(ONE))

    assert observer.done_lines == [(1, 404)]


@pytest.mark.parametrize(
    ("url", "by_proxy"), [("http://127.0.0.1:8001", False), ("http://localhost:8001", False), ("http://far.test", True)]
)
def test_no_proxy_stands_between_a_machine_and_itself(monkeypatch, url, by_proxy):
    """Although the environment may name one, and exempt nothing."""
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.test:3128")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    settings = Settings.load({"MUSTER_WRITE_URL": url})
    with blocking_httpx_client(WRITE_API, settings, timeout=TIMEOUT) as client:
        transport = client._transport_for_url(httpx.URL(url))

    assert isinstance(vars(transport)["_pool"], httpcore.HTTPProxy) is by_proxy


def test_giving_up_is_told_and_fails(sender, api):
    api.faults.append(lambda *_: httpx.Response(404))
    said = io.StringIO()

    status = send_all([chunk_of(ONE)], sender=sender, progress=Progress(said))

    assert status == FAILED
    assert "see that this is the address of Muster's write API" in said.getvalue()


def test_an_interrupted_import_says_how_far_it_is(run, api):
    api.faults.append(fake_write_api.interrupt)

    status, summary, said = run(ONE, TWO)

    assert status == 130
    assert (summary["lines"], summary["applied"]) == (1, 1)
    assert said.startswith("interrupted: run this again")


def test_the_summary_is_for_people_unless_json_is_wanted(run):
    _, summary, _ = run(ONE, TWO, as_json=False)

    assert summary.startswith("2 lines in ")
    assert "2 applied, 0 replayed, 0 failed; position 2 of the log is reached" in summary


def test_byte_order_marks_are_skipped(run, api):
    """Also that of a file that was joined to another; keys are the same without them."""
    run(ONE, TWO, "")
    _, summary, _ = run(f"\ufeff\ufeff{ONE}", f"\ufeff{TWO}", "\ufeff")

    first, second = map(keys, api.requests)
    assert first == second
    assert (summary["lines"], summary["replayed"]) == (2, 2)


NOT_COMMANDS = {
    "compressed": [
        gzip.compress(ONE.encode(), mtime=0),
        bz2.compress(ONE.encode()),
        lzma.compress(ONE.encode()),
        b"\x28\xb5\x2f\xfd",
    ],
    "UTF-16": [f"{ONE}\n".encode(each) for each in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be")],
    "JSON array": [f" \n[{ONE}]".encode(), f"\ufeff[\n{ONE},\n{TWO}\n]".encode()],
    "several lines": [json.dumps(json.loads(ONE), indent=2).encode()],
    "sequence": [f"\x1e{ONE}\n\x1e{TWO}\n".encode()],
    "spreadsheet": [b"PK\x03\x04\x14\0"],
    "other text": [b"email\nada@x.org\n", b"# people", b"\xe9"],
}


@pytest.mark.parametrize(("what", "content"), [(what, each) for what, some in NOT_COMMANDS.items() for each in some])
def test_what_is_no_file_of_commands_is_refused_in_one_sentence(api, tmp_path, what, content):
    """And nothing is sent."""
    file = tmp_path / "people"
    file.write_bytes(content)

    with pytest.raises(WrongUsage, match=rf"^{file} is .*{what}[^\n]*$"):
        import_file(str(file), Posting(client=api.client(), as_json=False), table=no_table)

    assert api.requests == []


@pytest.mark.parametrize("content", [f"\ufeff\n \n{ONE}", "\ufeff", " ", "{}"])
def test_a_source_is_recognised_however_it_arrives(content):
    """Byte by byte; from its beginning it is what it was."""

    class Bytewise(io.BytesIO):
        def read1(self, _size):
            return super().read1(1)

    source = commands_of(Bytewise(content.encode()), table=no_table)

    assert b"".join(iter(lambda: source.read1(1), b"")) == content.encode()


def test_the_head_of_the_log_is_said_where_it_is_known(run):
    """Others write too, and what is replayed has positions of long ago."""
    positions = [run(ONE, head=head)[1]["position"] for head in (99, 99, None)]

    assert positions == [99, 99, 1]


def test_an_empty_file_is_done(run, api):
    status, summary, _ = run("")

    assert (status, summary["lines"], summary["position"], api.requests) == (0, 0, 0, [])


def test_a_file_that_is_not_there_is_one_clear_line(api, tmp_path):
    with pytest.raises(WrongUsage) as error:
        import_file(str(tmp_path / "none"), Posting(client=api.client(), as_json=False), table=no_table)

    assert str(error.value) == f"{tmp_path / 'none'} cannot be read: No such file or directory"
