"""A table of people as the commands of an import."""

import io
import json

import msgspec
import pytest

from shared.cli.exit_codes import WrongUsage
from shared.client.formats import commands_of
from shared.client.lines import read_chunks
from write_side.cli.table import Table

HEADER = "handle,email,display_name"
ADA = "ada,ada@example.org,Ada Lovelace"
KEYS = {"handle": "ada", "email": "ada@example.org", "display_name": "Ada Lovelace"}


def registrations(text, *, encoding="utf-8", **fields):
    """The commands of a table by their lines' numbers, without names and keys."""
    content = text if isinstance(text, bytes) else text.encode(encoding)
    source = commands_of(io.BufferedReader(io.BytesIO(content)), table=lambda begun: Table(begun, fields))
    lines = {line.number: msgspec.json.decode(line.body) for chunk in read_chunks(source) for line in chunk}
    for command in lines.values():
        assert command.pop("command") == "register-account"
        del command["idempotency_key"]
    return lines


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("begin", ["", "\ufeff"])
def test_a_row_is_a_registration(separator, end, begin):
    text = f"{begin}{HEADER}{end}{ADA}{end}".replace(",", separator)
    assert registrations(text) == {2: KEYS}


def test_numbers_of_lines_are_those_of_the_table():
    """Also behind cells of several lines, and blank ones."""
    rows = ('ada,ada@example.org,"Ada\n\nLovelace"', "", "bob,bob@example.org,Bob")
    lines = registrations("\n".join([HEADER, *rows]))

    assert {number: command["handle"] for number, command in lines.items()} == {2: "ada", 6: "bob"}
    assert lines[2]["display_name"] == "Ada\n\nLovelace"


def test_many_rows_are_read_bit_by_bit():
    rows = [f"h{nth},h{nth}@example.org,N{nth}" for nth in range(1_000)]
    lines = registrations("\n".join([HEADER, *rows]))

    assert [command["handle"] for command in lines.values()] == [f"h{nth}" for nth in range(1_000)]
    assert list(lines) == list(range(2, 1_002))


@pytest.mark.parametrize("title", ["Display Name", "DISPLAY-NAME", " display_name "])
def test_a_column_is_called_like_its_field_in_whatever_case(title):
    assert registrations(f"handle,email,{title}\n{ADA}") == {2: KEYS}


def test_columns_with_other_names_are_mapped():
    text = "Kürzel;Mail;Name;Büro;ignored\nada;ada@example.org;Ada Lovelace;Malmö;x"
    fields = {"Kürzel": "handle", "Mail": "email", "Name": "display_name", "Büro": "attributes.office", "ignored": ""}

    assert registrations(text, **fields) == {2: {**KEYS, "attributes": {"office": "Malmö"}}}


def test_what_no_field_is_called_like_is_left_out_and_said():
    table = Table(io.BytesIO(f"{HEADER},status,groups\n{ADA},active,staff\n".encode()), {})
    assert table.left_out == ["status", "groups"]


def test_cells_of_several_values():
    text = f'{HEADER},tags,links,attributes.office\n{ADA}," a;b ;;c","{{""home"": ""https://ada.example""}}",4'
    [ada] = registrations(text).values()

    assert ada["tags"] == ["a", "b", "c"]
    assert ada["links"] == {"home": "https://ada.example"}
    assert ada["attributes"] == {"office": "4"}


def test_an_empty_cell_is_no_field_and_json_keeps_a_semicolon():
    [ada] = registrations(f'{HEADER},title,tags\n{ADA},,"[""a;b""]"').values()
    assert ada == {**KEYS, "tags": ["a;b"]}


def test_what_an_export_has_marked_as_text_is_what_it_was():
    [ada] = registrations(f"{HEADER},title\n{ADA},'=1+1").values()
    assert ada["title"] == "=1+1"


def test_what_is_wrong_in_a_row_is_left_to_the_write_api():
    """It names the field: a cell that no column has, and what is no map."""
    [ada] = registrations(f"{HEADER},links\n{ADA},home,too much").values()
    assert ada == {**KEYS, "links": "home", "column 5": "too much"}


@pytest.mark.parametrize(
    ("text", "fields", "said"),
    [
        ("handle,email\na,b", {}, r"no column is called display_name: .*--map COLUMN=display_name"),
        (f"{HEADER}\n{ADA}", {"Name": "title"}, r"the table has no column 'Name'"),
        (f"{HEADER},x\n{ADA},1", {"x": "titel"}, r"no field 'titel': did you mean title"),
        (f"{HEADER},x\n{ADA},1", {"x": "title.y"}, r"title is one value"),
        (f"{HEADER},x\n{ADA},1", {"x": "handle"}, r"several columns go to handle"),
        (f'{HEADER}\n{ADA}\n"ada', {}, r"line 3 of the table cannot be read"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused(text, fields, said):
    with pytest.raises(WrongUsage, match=said):
        registrations(text, **fields)


def test_another_encoding_is_named():
    """Where the header shows it, and where a row does."""
    for text in ("handle,email,display_name,büro\n", f"{HEADER}\n{'a,b,c' * 5_000}\nada,ada@example.org,Zoë\n"):
        with pytest.raises(WrongUsage, match=r"(?i)utf-8"):
            registrations(text, encoding="latin-1")


def test_commands_are_no_table():
    line = json.dumps({"command": "suspend-account", "account": "@a,b;c"}).encode()
    source = commands_of(io.BytesIO(line), table=lambda _: pytest.fail("it is none"))
    assert source.read1(1_000) == line
