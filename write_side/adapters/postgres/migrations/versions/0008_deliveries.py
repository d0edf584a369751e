"""
What is to be done in the world outside because of events, and up to which event that is known.

Reactions begin with what happens after this migration: no person is written to for having been there before.
"""

from alembic import op

revision = "0008"
down_revision = "0007"

DELIVERIES = """
create table deliveries (
    number      bigint      generated always as identity primary key,
    id          uuid        not null constraint deliveries_are_unique unique,
    reaction    text        not null,
    channel     text        not null,
    endpoint    text        not null,
    account_id  uuid        not null,
    event_id    uuid        not null,
    position    bigint      not null,
    version     integer     not null,
    is_ordered  boolean     not null,
    due_at      timestamptz not null,
    attempts    integer     not null default 0,
    error       text,
    given_up_at timestamptz
);
create index deliveries_by_due_time on deliveries (due_at, number) where given_up_at is null;
create index deliveries_in_order on deliveries (account_id, channel, endpoint, number)
    where given_up_at is null and is_ordered;
create index deliveries_given_up on deliveries (given_up_at) where given_up_at is not null"""

# Transactions that append are waited for; later ones draw positions above what is read here.
CHECKPOINT = """
create table reaction_checkpoint (
    id       integer primary key,
    position bigint  not null,
    constraint reaction_checkpoint_has_one_row check (id = 1)
);
lock table event_log in share row exclusive mode;
insert into reaction_checkpoint select 1, coalesce(max(position), 0) from event_log"""


def upgrade() -> None:
    for statements in (DELIVERIES, CHECKPOINT):
        op.execute(statements)
