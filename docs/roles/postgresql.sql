-- Who may do what in Muster's database. Run it as a superuser, in that database, after each `muster migrate` (by the role in
-- postgresql-owner.sql); it may be run again. Then give each role its password (`alter role muster_write password '…'`), the
-- write process and `muster react` a MUSTER_DATABASE_URL with muster_write, the projector, `muster verify` and `muster rebuild` one with
-- muster_project, and `muster erase --prove` one with muster_prove.
do $$
begin
    if not exists (select from pg_roles where rolname = 'muster_write') then
        create role muster_write login;
    end if;
    if not exists (select from pg_roles where rolname = 'muster_project') then
        create role muster_project login;
    end if;
    if not exists (select from pg_roles where rolname = 'muster_prove') then
        create role muster_prove login;
    end if;
end $$;

revoke create on schema public from public;
revoke execute on function redact_events_of(uuid, bigint) from public;
grant usage on schema public to muster_write, muster_project;

-- Commands change the state and append to the log. Nobody chooses a position, and nobody changes what was appended but
-- by erasing: that function looks at what it is given, and the log's triggers look at what it does.
grant select, insert, update, delete on accounts, profiles, groups, memberships, command_log to muster_write;
grant select, insert on installation to muster_write;
grant select on event_log, event_log_position_seq, alembic_version to muster_write;
grant insert (event_id, aggregate, aggregate_id, version, type, schema, data, metadata, occurred_at)
    on event_log to muster_write;
grant execute on function redact_events_of(uuid, bigint) to muster_write;

-- `muster react` is of the same role: it carries out commands too, and keeps what is to be delivered, and to where.
grant select, insert, update, delete on deliveries, webhooks to muster_write;
grant select, update on reaction_checkpoint to muster_write;

-- The projector reads: the log, the state as it is published for comparison, and who holds the log up.
grant select on event_log, event_log_position_seq, alembic_version to muster_project;
grant select on directory_profiles, directory_groups, directory_memberships to muster_project;
grant pg_read_all_stats to muster_project;

-- The ops page shows what was given up, and has it tried again; it shows how webhooks do, but neither URLs nor secrets.
grant select, update (attempts, due_at, given_up_at) on deliveries to muster_project;
grant select (name, position, failures, failing_since, error, paused_at, reason) on webhooks to muster_project;

-- A proof that nothing is left of a person reads every table there is, also those that are not ours, and changes none.
grant pg_read_all_data to muster_prove;
