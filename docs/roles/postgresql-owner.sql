-- Who owns Muster's tables and migrates them: a role that may do nothing else. Run it as a superuser, in Muster's database,
-- before the first `muster migrate`, or later: what another role has made becomes this one's. It may be run again, and then
-- nothing changes. Give the role its password (`alter role muster_migrate password '…'`), and `muster migrate` a
-- MUSTER_DATABASE_URL with it. Who owns a table can switch off its triggers: no process that serves anybody is this role.
do $$
declare
    change text;
begin
    if not exists (select from pg_roles where rolname = 'muster_migrate') then
        create role muster_migrate login nosuperuser nocreatedb nocreaterole;
    end if;
    for change in
        select format('alter table public.%I owner to muster_migrate', relname)
          from pg_class where relnamespace = 'public'::regnamespace and relname in (
              'accounts', 'profiles', 'groups', 'memberships', 'event_log', 'command_log', 'installation', 'deliveries', 'reaction_checkpoint', 'webhooks',
              'alembic_version', 'directory_profiles', 'directory_groups', 'directory_memberships')
        union all
        select format('alter function %s owner to muster_migrate', oid::regprocedure)
          from pg_proc where pronamespace = 'public'::regnamespace and proname in (
              'announce_append', 'refuse_to_rewrite_history', 'redaction_of', 'is_redaction', 'redact_events_of')
    loop
        execute change;
    end loop;
end $$;

revoke create on schema public from public;
grant usage, create on schema public to muster_migrate;
