"""
What guards the log looks for erasures in the log alone.

A temporary table is found before any other of its name: one called like the log could tell of erasures that never were.
"""

from alembic import op

revision = "0005"
down_revision = "0004"

# What it calls looks where it does (CREATE FUNCTION, "Writing SECURITY DEFINER Functions Safely").
PINNED = "alter function refuse_to_rewrite_history() set search_path = public, pg_temp"


def upgrade() -> None:
    op.execute(PINNED)
