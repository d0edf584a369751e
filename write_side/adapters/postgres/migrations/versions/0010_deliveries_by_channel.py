"""What is due is looked for by channel: where ten thousand mails wait, the others are found at once."""

from alembic import op

revision = "0010"
down_revision = "0009"

BY_CHANNEL = """
create index deliveries_due on deliveries (channel, due_at, number) where given_up_at is null;
drop index deliveries_by_due_time"""


def upgrade() -> None:
    op.execute(BY_CHANNEL)
