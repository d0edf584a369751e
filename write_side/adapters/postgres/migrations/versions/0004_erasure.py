"""
Erasing a person: the one change that the event log takes.

It is known by its shape alone: data and metadata of an event become a marker, nothing else of the row
changes, and the log has the `account-erased` of the account that the event is of. So it needs no secret and no switch
that could be left on; and a person who is not erased cannot be redacted.
"""

from alembic import op

revision = "0004"
down_revision = "0003"

# What an account's events are found by, without reading the log from its beginning; redacted ones are found no more.
INDEXES = """
create index event_log_memberships_by_account on event_log ((data ->> 'account_id')) where aggregate = 'membership';
create index event_log_erasures on event_log (position) where type = 'account-erased'"""

MARKER = """
create function redaction_of(event event_log, erased_at bigint) returns json language sql stable as $$
    select case when event.aggregate = 'membership'
                then json_build_object('type', 'redacted', 'by', erased_at, 'group_id', event.data ->> 'group_id')
                else json_build_object('type', 'redacted', 'by', erased_at) end
$$;
create function is_redaction(before event_log, after event_log) returns boolean language sql stable as $$
    select (before.position, before.event_id, before.aggregate, before.aggregate_id, before.version)
         = (after.position, after.event_id, after.aggregate, after.aggregate_id, after.version)
       and (before.type, before.schema, before.occurred_at) = (after.type, after.schema, after.occurred_at)
       and before.type <> 'account-erased'
       and after.metadata::text = '{"redacted": true}'
       and after.data::text = redaction_of(before, (after.data ->> 'by')::bigint)::text
       and exists (
           select from event_log as erasure
            where erasure.position = (after.data ->> 'by')::bigint
              and (erasure.aggregate, erasure.type) = ('account', 'account-erased')
              and erasure.aggregate_id::text = case before.aggregate
                  when 'membership' then before.data ->> 'account_id' else before.aggregate_id::text end)
       and before.aggregate in ('account', 'profile', 'membership')
$$"""

ALLOWED = """
create or replace function refuse_to_rewrite_history() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' then
        if is_redaction(old, new) then
            return new;
        end if;
    end if;
    raise exception 'the event log is append-only: % is refused', tg_op using errcode = 'restrict_violation';
end $$"""

# With the rights of its owner: who writes commands need not be allowed to update the log.
REDACT = """
create function redact_events_of(account uuid, erased_at bigint) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    update event_log set data = redaction_of(event_log, erased_at), metadata = '{"redacted": true}'
     where aggregate in ('account', 'profile') and aggregate_id = account and type <> 'account-erased';
    update event_log set data = redaction_of(event_log, erased_at), metadata = '{"redacted": true}'
     where aggregate = 'membership' and data ->> 'account_id' = account::text;
end $$"""


def upgrade() -> None:
    for statements in (INDEXES, MARKER, ALLOWED, REDACT):
        op.execute(statements)
