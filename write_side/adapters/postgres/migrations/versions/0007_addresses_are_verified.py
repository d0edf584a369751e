"""
Whether mail to an account's address is read, and since which of its versions the account has that address.

Nothing is known of the addresses that are there: none is verified. A release before this one may go on writing
meanwhile: it knows no versions of addresses, but a token is bound to the address besides.
"""

from alembic import op

revision = "0007"
down_revision = "0006"

ACCOUNTS = """
alter table accounts add column email_version integer not null default 1,
                     add column email_verified boolean not null default false;
update accounts set email_version = changed.version
  from (select aggregate_id, max(version) as version from event_log
         where aggregate = 'account' and type = 'email-changed' group by aggregate_id) as changed
 where accounts.id = changed.aggregate_id"""

# As the key of the fingerprints is made: 244 random bits.
KEY_OF_TOKENS = """
alter table installation add column token_key bytea;
update installation set token_key = uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());
alter table installation alter column token_key set not null"""

# As it was; a column can only be added behind the others.
PROFILES = """
create or replace view directory_profiles as
select account.id as account_id,
       account.handle,
       profile.display_name,
       profile.given_name,
       profile.family_name,
       profile.title,
       profile.bio,
       account.email,
       account.status,
       profile.locale,
       profile.time_zone,
       profile.picture_url,
       profile.links,
       profile.tags,
       profile.attributes,
       account.external_id,
       coalesce(
           (select json_agg(
                       json_build_object(
                           'group_id', groups.id, 'slug', groups.slug, 'name', groups.name, 'role', membership.role)
                       order by joined.position)
              from memberships as membership
              join groups on groups.id = membership.group_id
              left join event_log as joined
                on (joined.aggregate, joined.aggregate_id, joined.version) = ('membership', membership.id, 1)
             where membership.account_id = account.id),
           '[]') as groups,
       registered.occurred_at as created_at,
       case when of_account.position > of_profile.position then of_account.occurred_at else of_profile.occurred_at end
           as updated_at,
       account.version,
       profile.version as profile_version,
       account.email_verified
  from accounts as account
  join profiles as profile on profile.id = account.id
  left join event_log as registered
    on (registered.aggregate, registered.aggregate_id, registered.version) = ('account', account.id, 1)
  left join event_log as of_account
    on (of_account.aggregate, of_account.aggregate_id, of_account.version) = ('account', account.id, account.version)
  left join event_log as of_profile
    on (of_profile.aggregate, of_profile.aggregate_id, of_profile.version) = ('profile', account.id, profile.version)"""


def upgrade() -> None:
    for statements in (ACCOUNTS, KEY_OF_TOKENS, PROFILES):
        op.execute(statements)
