"""
Rows of aggregates, for statements that read or write many at once.

An ORM flush with `version_id_col` sends one UPDATE a row and fails inside a pipeline; these statements take all rows as
one JSON parameter. Columns, keys and types are those of the imperative mapping, so that nothing is said twice.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, cached_property
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy import Column, Table, UniqueConstraint
from sqlalchemy.dialects.postgresql.psycopg import dialect as psycopg_dialect
from sqlalchemy.engine import Dialect

from shared.postgres.pipeline import Row
from write_side.adapters.postgres.mapping import NORMALISED, TABLES, Normalised
from write_side.adapters.postgres.tables import event_log
from write_side.domain.aggregate import Aggregate

A = TypeVar("A", bound=Aggregate)
_DIALECT: Dialect = psycopg_dialect()  # type: ignore[no-untyped-call]
_encode = msgspec.json.Encoder(enc_hook=str).encode


def as_json(rows: Sequence[Mapping[str, Any]]) -> str:
    """Encode rows as `recordset` reads them."""
    return _encode(rows).decode()


def recordset(columns: Iterable[Column[Any]], *more: str) -> str:
    """
    Return the part of a FROM clause that makes rows, named `r`, of one JSON parameter.

    :param more: further columns as SQL has them, such as `n integer`.
    """
    named = [f"{column.name} {_type_of(column)}" for column in columns]
    return f"json_to_recordset(%s::json) as r({', '.join([*named, *more])})"


def _type_of(column: Column[Any]) -> str:
    return column.type.compile(_DIALECT)


class Rows(Generic[A]):
    """The rows of one kind of aggregate."""

    def __init__(self, kind: type[A]) -> None:
        self._kind = kind
        self._table: Table = TABLES[kind]
        self._normalised: Normalised = NORMALISED.get(kind, lambda _: {})
        self._columns = list(self._table.columns)
        self._names = [column.name for column in self._columns]
        self._readers = [
            column.type.dialect_impl(_DIALECT).result_processor(_DIALECT, None) or _as_it_is for column in self._columns
        ]
        self._listed = ", ".join(self._names)

    def aggregate(self, row: Row) -> A:
        """Make an aggregate of a row that `select` returned; it belongs to no session."""
        made = self._kind.__new__(self._kind)
        made.__dict__.update(
            {name: read(value) for name, read, value in zip(self._names, self._readers, row, strict=False)}
        )
        return made

    def row(self, aggregate: A) -> Mapping[str, Any]:
        """Return the row of an aggregate, and in `stored` the version that it had before."""
        values = {**vars(aggregate), **self._normalised(aggregate), "stored": aggregate.stored_version}
        return {name: values[name] for name in (*self._names, "stored")}

    def unique_values(self, row: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
        """Return what no other row may have besides, by the name of its constraint."""
        for constraint in self._unique:
            values = tuple(row[column.name] for column in constraint.columns)
            if None not in values:
                yield str(constraint.name), values

    def select(self, columns: tuple[str, ...], *, lock: str = "", free: str = "true") -> str:
        """
        Return the rows that have one of the given values in a column, or one of the given pairs in two.

        :param lock: `for share` or such: a row that another transaction holds is left out.
        :param free: what is returned behind the columns of each row.
        """
        clause = f" {lock} skip locked" if lock else ""
        where = _one_of(self._table, columns)
        return f"select {self._listed}, {free} from {self._table.name} where {where}{clause}"  # noqa: S608

    def select_only(self, columns: tuple[str, ...]) -> str:
        """Return these columns of the same rows, those that are locked too."""
        return f"select {', '.join(columns)} from {self._table.name} where {_one_of(self._table, columns)}"  # noqa: S608

    def values(self, columns: Sequence[str], row: Row) -> tuple[Any, ...]:
        """Return the values of these columns in a row that `select` returned."""
        return tuple(row[self._names.index(column)] for column in columns)

    @cached_property
    def insert(self) -> str:
        """
        Insert rows but those that are in conflict with another.

        One whose owner could not be inserted before it is left out too.
        """
        owners = [
            f"exists (select from {key.column.table.name} o where o.{key.column.name} = r.{column.name})"
            for column in self._table.primary_key
            for key in column.foreign_keys
        ]
        where = f" where {' and '.join(owners)}" if owners else ""
        return (
            f"insert into {self._table.name} ({self._listed})"  # noqa: S608
            f" select {self._listed} from {recordset(self._columns)}{where} on conflict do nothing"
        )

    @cached_property
    def update(self) -> str:
        """
        Update rows that still have the stored version, and take nothing from others.

        One that another transaction holds is left out.
        """
        values = ", ".join(f"{name} = r.{name}" for name in self._names if name != "id")
        free = "".join(f" and not {_taken(self._table, constraint)}" for constraint in self._unique)
        return (
            f"{self._mine(self._columns, free)} update {self._table.name} t set {values}"  # noqa: S608
            " from mine r where t.id = r.id"
        )

    @cached_property
    def delete(self) -> str:
        """Delete rows that have the stored version, and that no other transaction holds."""
        return (
            f"{self._mine([self._table.c.id])} delete from {self._table.name} t using mine r"  # noqa: S608
            " where t.id = r.id"
        )

    def _mine(self, columns: Iterable[Column[Any]], free: str = "") -> str:
        """Lock the rows that can be had at once: what waits for one would make all wait."""
        return (
            f"with mine as (select r.* from {recordset(columns, 'stored integer')} join {self._table.name} t"  # noqa: S608
            f" on t.id = r.id and t.version = r.stored{free} for no key update of t skip locked)"
        )

    @cached_property
    def clashes(self) -> str:
        """
        Return, by id, the name of the first constraint that keeps a row from being stored, null where none does.

        Behind it, whether the row still has the stored version.
        """
        taken = [f"when {_taken(self._table, each)} then '{each.name}'" for each in self._unique]
        ids = f"when r.stored = 0 and exists (select from %s) then '{self._table.name}_pkey'"
        row = ids % f"{self._table.name} o where o.id = r.id"
        history = ids % f"{event_log.name} o where o.aggregate = '{self._kind.kind}' and o.aggregate_id = r.id"
        cases = " ".join([row, *taken, history])
        is_same = f"exists (select from {self._table.name} o where o.id = r.id and o.version = r.stored)"
        return f"select case {cases} end, {is_same} from {recordset(self._columns, 'stored integer')}"  # noqa: S608

    @cached_property
    def _unique(self) -> Sequence[UniqueConstraint]:
        found = [each for each in self._table.constraints if isinstance(each, UniqueConstraint)]
        return sorted(found, key=lambda each: [self._names.index(column.name) for column in each.columns])


def _as_it_is(value: Any) -> Any:
    return value


@cache  # types are compiled once, and not at each look of a command
def _one_of(table: Table, columns: tuple[str, ...]) -> str:
    if len(columns) == 1:
        return f"{columns[0]} = any(%s::{_type_of(table.c[columns[0]])}[])"
    arrays = ", ".join(f"%s::{_type_of(table.c[column])}[]" for column in columns)
    return f"({', '.join(columns)}) in (select * from unnest({arrays}))"  # noqa: S608


def _taken(table: Table, constraint: UniqueConstraint) -> str:
    equal = " and ".join(f"o.{column.name} = r.{column.name}" for column in constraint.columns)
    return f"exists (select from {table.name} o where {equal} and o.id <> r.id)"
