"""Groups and memberships."""

from alembic import op

revision = "0002"
down_revision = "0001"

STATE = """
create table groups (
    id                 uuid    primary key,
    version            integer not null,
    slug               text    not null,
    slug_unique        text    not null constraint groups_slug_is_unique unique,
    name               text    not null,
    description        text,
    external_id        text,
    external_id_unique text    constraint groups_external_id_is_unique unique
);
create table memberships (
    id         uuid    primary key,
    version    integer not null,
    group_id   uuid    not null constraint memberships_have_a_group references groups (id),
    account_id uuid    not null constraint memberships_have_an_account references accounts (id),
    role       text    not null,
    -- The members of a group as well: it is looked up, and emptied, by the first column.
    constraint memberships_are_unique unique (group_id, account_id)
);
create index memberships_by_account on memberships (account_id)"""


def upgrade() -> None:
    op.execute(STATE)
