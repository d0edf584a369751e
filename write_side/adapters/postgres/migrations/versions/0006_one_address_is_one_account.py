"""
E-mail addresses are compared as mail is delivered: the local part in lower case, the domain in its ASCII form.

What was compared without case and as it was written may be two accounts with one address. Which of them is whose, no
migration knows: it names them and changes nothing.
"""

from alembic import op
from sqlalchemy import text

from shared.text import unique_email
from write_side.adapters.postgres.migrate import OneAddressTwice

revision = "0006"
down_revision = "0005"

BATCH = 1_000
NAMED = 20

# No account is registered meanwhile. An ASCII address without the dot of the root is compared as before.
LOCK = "lock table accounts in share row exclusive mode"
FORMS = "create table unique_emails (id uuid primary key, form text not null)"
AFFECTED = "select id, email from accounts where octet_length(email) <> char_length(email) or email like '%.'"
KEEP = "insert into unique_emails values (:id, :form)"
TAKEN = """
select string_agg(id::text, ' and ' order by id) as accounts from (
    select id, form from unique_emails
    union all
    select id, email_unique from accounts
     where email_unique in (select form from unique_emails) and id not in (select id from unique_emails)
) as forms group by form having count(*) > 1 order by accounts"""

# In two steps, since an address may take the form that another one had.
APPLY = """
update accounts set email_unique = id::text where id in (select id from unique_emails);
update accounts set email_unique = form from unique_emails where unique_emails.id = accounts.id;
drop table unique_emails"""


def upgrade() -> None:
    op.execute(LOCK)
    op.execute(FORMS)
    connection = op.get_bind()
    affected = connection.execute(text(AFFECTED), execution_options={"yield_per": BATCH})
    for rows in affected.partitions():
        connection.execute(text(KEEP), [{"id": row.id, "form": unique_email(row.email)} for row in rows])
    if taken := connection.execute(text(TAKEN)).scalars().all():
        raise OneAddressTwice(taken[:NAMED], of=len(taken))
    op.execute(APPLY)
