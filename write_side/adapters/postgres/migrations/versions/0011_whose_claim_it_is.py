"""
What a request keeps under its key is told from what others keep there.

A release before this one may go on writing meanwhile: its claims have none, and are those of another request.
"""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute("alter table command_log add column claim bigint")
