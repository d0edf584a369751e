"""What the command line understands, and how it says things."""

import codecs
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.cli.commands import COMMANDS, call
from shared.cli.exit_codes import WrongUsage
from shared.cli.output import print_json, print_table
from shared.cli.streams import plain
from shared.settings import SettingMissingError
from shared.wording import counted, suggestion

GROUPS = {
    "parked": ("list", "show", "retry", "skip"),
    "deliveries": ("list", "retry"),
    "webhooks": ("add", "list", "show", "pause", "resume", "replay", "rotate", "remove"),
    "keys": ("new", "list", "retire"),
    "token": ("revoke",),
    "search": ("people", "groups"),
    "run": ("close-account",),
}
EVERY = [(name,) for name in COMMANDS] + [(name, sub) for name, subs in GROUPS.items() for sub in subs]
NO_DATA = {
    "up",
    "migrate",
    "write",
    "consume",
    "react",
    "read",
    "project",
    "parked",
    "deliveries",
    "webhooks",
    "keys",
    "search",
    "run",
    "export",  # data alone, in a format of its own
}
DATA = [each for each in EVERY if each[0] not in NO_DATA or (len(each) > 1)]


@pytest.fixture(scope="module", autouse=True)
def _plain_characters():
    codecs.register_error("plain", plain)


def help_of(command, capsys):
    with pytest.raises(SystemExit) as ended:
        call([*command, "--help"])
    assert ended.value.code in {0, None}
    return capsys.readouterr().out


@pytest.mark.parametrize("command", EVERY, ids=" ".join)
def test_every_command_explains_itself_and_takes_a_home(command, capsys):
    """Every option with its help; one that prints data prints JSON, too."""
    text = help_of(command, capsys)

    assert f"muster {' '.join(command)}" in text
    assert "--home PATH" in text
    assert "--json" in text or command not in DATA


@pytest.mark.parametrize(
    ("arguments", "suggested"),
    [
        (["stauts"], "did you mean status?"),
        (["Parked", "list"], "did you mean parked?"),
        (["xyzzy"], "up, doctor, config"),
        (["parked", "lits"], 'Did you mean "list"?'),
        (["config", "--jsn"], "Did you mean --json?"),
        (["up", "--write-prt", "1"], "Did you mean --write-port?"),
        (["rebuild", "profils"], "did you mean profiles?"),
        (["verify", "activty"], "did you mean activity?"),
        (["verify", "xyzzy"], "profiles, groups, activity, stats, changes"),
    ],
)
def test_what_is_spelt_nearly_so_is_suggested(arguments, suggested):
    """In one line."""
    with pytest.raises(WrongUsage) as refused:
        call(arguments)

    assert suggested in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--home", "{}", "import", "people.ndjson"],
        ["import", "--home", "{}", "people.ndjson"],
        ["import", "--home={}", "-"],
        ["import", "--json", "--home", "{}", "people.ndjson"],
        ["import", "people.ndjson", "--home={}"],
        ["import", "--home", "{}", "--", "-x"],
        ["erase", "--home", "{}", "--yes", "@ann"],
    ],
    ids=" ".join,
)
def test_the_home_may_stand_anywhere(monkeypatch, tmp_path, arguments):
    """Also before an argument that may begin with a hyphen, as that of `import` may."""
    monkeypatch.setenv("MUSTER_HOME", "another")

    with pytest.raises(SettingMissingError, match=re.escape(str(tmp_path))):
        call([each.format(tmp_path) for each in arguments])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["status", "--home"], "--home requires an argument"),
        (["import", "--", "--home", "x"], "x is more than it takes"),
        (["status", "x", "y"], "x y is more than it takes"),
        (["--home", "x", "stauts"], "did you mean status?"),
    ],
)
def test_a_call_that_does_not_fit_is_refused(monkeypatch, arguments, said):
    monkeypatch.setenv("MUSTER_HOME", "another")

    with pytest.raises(WrongUsage, match=re.escape(said)):
        call(arguments)


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0 documents"), (1, "1 document"), (2, "2 documents"), (12_345, "12,345 documents"), (None, "? documents")],
)
def test_nouns_agree_with_their_number(number, said):
    assert counted(number, "document") == said


def test_an_irregular_plural_is_given():
    assert [counted(n, "document is", "documents are") for n in (1, 3)] == ["1 document is", "3 documents are"]


def test_a_suggestion_that_fits_nothing_names_all():
    assert suggestion("x", ["red", "blue"]) == "red, blue"
    assert suggestion("x", ["red", "blue"], otherwise="see the list") == "see the list"


@given(st.text(), st.sampled_from(["ascii", "latin-1", "cp1252", "koi8-r", "utf-8"]))
def test_every_text_can_be_shown_in_every_encoding(text, encoding):
    """A letter that the encoding has stays as it is."""
    shown = [letter.encode(encoding, "plain").decode(encoding) for letter in text]

    assert "".join(shown) == text.encode(encoding, "plain").decode(encoding)
    assert all(ours == theirs or not _has(encoding, theirs) for ours, theirs in zip(shown, text, strict=True))


def _has(encoding, letter):
    try:
        return letter.encode(encoding)
    except UnicodeEncodeError:
        return False


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_is_utf8_or_ascii(monkeypatch, encoding):
    """RFC 8259, section 8.1: of no other encoding is it certain that a program reads it."""
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding=encoding))

    print_json('{"name":"André 😀"}'.encode())

    expected = '{"name":"André 😀"}' if encoding == "utf-8" else '{"name":"Andr\\u00e9 \\ud83d\\ude00"}'
    assert written.getvalue() == f"{expected}\n".encode()


def test_no_cell_of_a_table_is_cut(monkeypatch, capsys):
    """However narrow the terminal is, and where there is none."""
    monkeypatch.setenv("COLUMNS", "20")
    id_ = "01a22846-1825-7634-9a98-e38d020f9ed1"

    print_table(("projection", "document"), [("profiles", f"profile {id_}")])

    assert f"profiles    profile {id_}" in capsys.readouterr().out
