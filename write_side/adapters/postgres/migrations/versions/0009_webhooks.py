"""To where changes are sent, and up to which each of them has been."""

from alembic import op

revision = "0009"
down_revision = "0008"

WEBHOOKS = """
create table webhooks (
    id            uuid        primary key,
    name          text        not null constraint webhooks_name_is_unique unique,
    url           text        not null,
    types         text[]      not null,
    account_id    uuid,
    group_id      uuid,
    with_values   boolean     not null,
    position      bigint      not null,
    secret        text        not null,
    former_secret text,
    former_until  timestamptz,
    failures      integer     not null,
    failing_since timestamptz,
    retry_at      timestamptz,
    error         text,
    paused_at     timestamptz,
    reason        text,
    created_at    timestamptz not null,
    revision      bigint      not null
)"""


def upgrade() -> None:
    op.execute(WEBHOOKS)
