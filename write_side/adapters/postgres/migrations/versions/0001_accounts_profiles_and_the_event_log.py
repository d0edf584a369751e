"""Accounts, profiles, the event log and the command log."""

from alembic import op

revision = "0001"
down_revision = None

STATE = """
create table accounts (
    id                 uuid    primary key,
    version            integer not null,
    email              text    not null,
    email_unique       text    not null constraint accounts_email_is_unique unique,
    handle             text    not null,
    handle_unique      text    not null constraint accounts_handle_is_unique unique,
    external_id        text,
    external_id_unique text    constraint accounts_external_id_is_unique unique,
    status             text    not null
);
create table profiles (
    id           uuid    primary key constraint profiles_have_an_account references accounts (id),
    version      integer not null,
    display_name text    not null,
    given_name   text,
    family_name  text,
    title        text,
    bio          text,
    locale       text,
    time_zone    text,
    picture_url  text,
    links        json    not null,
    tags         text[]  not null,
    attributes   json    not null
)"""

EVENT_LOG = """
create table event_log (
    position     bigint      generated always as identity primary key,   -- CACHE 1, NO CYCLE: asserted at every start
    event_id     uuid        not null constraint event_log_ids_are_unique unique,
    aggregate    text        not null,
    aggregate_id uuid        not null,
    version      integer     not null,
    type         text        not null,
    schema       integer     not null,
    data         json        not null,
    metadata     json        not null,
    occurred_at  timestamptz not null,
    constraint event_log_versions_are_unique unique (aggregate, aggregate_id, version)
)"""

# Announced appends. Every transaction that appends takes, before its first position is drawn, a shared advisory lock
# whose key is the sequence's value at that moment: "whatever I append will have a position above this". The lock ends
# with the transaction. A statement-level BEFORE trigger does it, so no writer (psql, COPY, a migration) forgets. What
# the reader does with it, and why that skips nothing, stands in shared/event_log/adapters/postgres.py.
ANNOUNCE = """
create function announce_append() returns trigger language plpgsql as $$
begin
    -- Once a transaction: 12,800 announcing statements in one would exhaust the lock table for everybody.
    if current_setting('muster.announced', true) is distinct from pg_current_xact_id()::text then
        -- 0x4D55 in the top 16 bits keeps these keys apart from anybody else's advisory locks.
        perform pg_advisory_xact_lock_shared((x'4D55'::bigint << 48) | case when is_called then last_value else 0 end)
           from public.event_log_position_seq;
        perform set_config('muster.announced', pg_current_xact_id()::text, true);
    end if;
    return null;
end $$;
create trigger announce_append before insert on event_log
    for each statement execute function announce_append();
alter table event_log enable always trigger announce_append"""

IMMUTABLE = """
create function refuse_to_rewrite_history() returns trigger language plpgsql as $$
begin
    raise exception 'the event log is append-only: % is refused', tg_op using errcode = 'restrict_violation';
end $$;
create trigger event_log_is_immutable before update or delete on event_log
    for each row execute function refuse_to_rewrite_history();
create trigger event_log_is_not_truncated before truncate on event_log
    for each statement execute function refuse_to_rewrite_history();
alter table event_log enable always trigger event_log_is_immutable;
alter table event_log enable always trigger event_log_is_not_truncated"""

COMMAND_LOG = """
create table command_log (
    subject          text        not null,
    key              text        not null,
    command          text        not null,
    fingerprint      bytea       not null,
    outcome_id       uuid,
    outcome_version  integer,
    outcome_position bigint,
    expires_at       timestamptz not null,
    primary key (subject, key)
);
create index command_log_by_expiry on command_log (expires_at)"""

# The key of the fingerprints: two random UUIDs are 244 bits that no dump of the command log alone gives away.
INSTALLATION = """
create table installation (
    id              integer primary key,
    fingerprint_key bytea   not null,
    constraint installation_has_one_row check (id = 1)
);
insert into installation values (1, uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))"""


def upgrade() -> None:
    for statements in (STATE, EVENT_LOG, ANNOUNCE, IMMUTABLE, COMMAND_LOG, INSTALLATION):
        op.execute(statements)
