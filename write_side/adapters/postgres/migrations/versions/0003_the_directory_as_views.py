"""
The directory as others may compare it with: one row a person, a group and a membership.

Their columns are called like the fields of the records that the read API serves. What state does not tell (when
a person was registered, in which order they joined their groups) is said by the event of the aggregate's version.
"""

from alembic import op

revision = "0003"
down_revision = "0002"

PROFILES = """
create view directory_profiles as
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
       profile.version as profile_version
  from accounts as account
  join profiles as profile on profile.id = account.id
  left join event_log as registered
    on (registered.aggregate, registered.aggregate_id, registered.version) = ('account', account.id, 1)
  left join event_log as of_account
    on (of_account.aggregate, of_account.aggregate_id, of_account.version) = ('account', account.id, account.version)
  left join event_log as of_profile
    on (of_profile.aggregate, of_profile.aggregate_id, of_profile.version) = ('profile', account.id, profile.version)"""

GROUPS = """
create view directory_groups as
select groups.id as group_id,
       groups.slug,
       groups.name,
       groups.description,
       groups.external_id,
       (select count(*) from memberships where memberships.group_id = groups.id) as member_count,
       created.occurred_at as created_at,
       updated.occurred_at as updated_at,
       groups.version
  from groups
  left join event_log as created
    on (created.aggregate, created.aggregate_id, created.version) = ('group', groups.id, 1)
  left join event_log as updated
    on (updated.aggregate, updated.aggregate_id, updated.version) = ('group', groups.id, groups.version)"""

MEMBERSHIPS = """
create view directory_memberships as
select membership.group_id, membership.account_id, membership.role, joined.occurred_at as since
  from memberships as membership
  left join event_log as joined
    on (joined.aggregate, joined.aggregate_id, joined.version) = ('membership', membership.id, 1)"""


def upgrade() -> None:
    for statement in (PROFILES, GROUPS, MEMBERSHIPS):
        op.execute(statement)
