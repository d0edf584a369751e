"""The tables of the write side. Migrations make them; a test holds the two equal."""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy import Text as TextColumn
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from write_side.domain.account import AccountStatus
from write_side.domain.values import (
    Bio,
    Description,
    EmailAddress,
    ExternalId,
    Handle,
    Locale,
    Name,
    Role,
    Slug,
    Tag,
    Text,
    TimeZone,
    Title,
    Url,
)

metadata = MetaData()


class ValueColumn(TypeDecorator[Any]):
    """A column of one of our values or of a status; what is stored was parsed before, so it is not parsed again."""

    impl = TextColumn
    cache_ok = True

    def __init__(self, kind: type[Text | AccountStatus]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: Text | AccountStatus | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Text | AccountStatus | None:  # noqa: ARG002
        return None if value is None else self.kind(value)


class TagsColumn(TypeDecorator[tuple[Tag, ...]]):
    """Tags in the order they were given."""

    impl = ARRAY(TextColumn)
    cache_ok = True

    def process_bind_param(self, value: tuple[Tag, ...] | None, dialect: Dialect) -> list[str]:  # noqa: ARG002
        return [str(tag) for tag in value or ()]

    def process_result_value(self, value: list[str] | None, dialect: Dialect) -> tuple[Tag, ...]:  # noqa: ARG002
        return tuple(map(Tag, value or ()))


def _required(name: str, kind: Any) -> Column[Any]:
    return Column(name, kind, nullable=False)


accounts = Table(
    "accounts",
    metadata,
    Column("id", Uuid, primary_key=True),
    _required("version", Integer),
    _required("email", ValueColumn(EmailAddress)),
    _required("email_unique", TextColumn),
    _required("handle", ValueColumn(Handle)),
    _required("handle_unique", TextColumn),
    Column("external_id", ValueColumn(ExternalId)),
    Column("external_id_unique", TextColumn),
    _required("status", ValueColumn(AccountStatus)),
    Column("email_version", Integer, nullable=False, server_default=text("1")),
    Column("email_verified", Boolean, nullable=False, server_default=text("false")),
    UniqueConstraint("email_unique", name="accounts_email_is_unique"),
    UniqueConstraint("handle_unique", name="accounts_handle_is_unique"),
    UniqueConstraint("external_id_unique", name="accounts_external_id_is_unique"),
)

profiles = Table(
    "profiles",
    metadata,
    Column("id", Uuid, ForeignKey("accounts.id", name="profiles_have_an_account"), primary_key=True),
    _required("version", Integer),
    _required("display_name", ValueColumn(Name)),
    Column("given_name", ValueColumn(Name)),
    Column("family_name", ValueColumn(Name)),
    Column("title", ValueColumn(Title)),
    Column("bio", ValueColumn(Bio)),
    Column("locale", ValueColumn(Locale)),
    Column("time_zone", ValueColumn(TimeZone)),
    Column("picture_url", ValueColumn(Url)),
    _required("links", JSON),
    _required("tags", TagsColumn),
    _required("attributes", JSON),
)

groups = Table(
    "groups",
    metadata,
    Column("id", Uuid, primary_key=True),
    _required("version", Integer),
    _required("slug", ValueColumn(Slug)),
    _required("slug_unique", TextColumn),
    _required("name", ValueColumn(Name)),
    Column("description", ValueColumn(Description)),
    Column("external_id", ValueColumn(ExternalId)),
    Column("external_id_unique", TextColumn),
    UniqueConstraint("slug_unique", name="groups_slug_is_unique"),
    UniqueConstraint("external_id_unique", name="groups_external_id_is_unique"),
)

memberships = Table(
    "memberships",
    metadata,
    Column("id", Uuid, primary_key=True),
    _required("version", Integer),
    Column("group_id", Uuid, ForeignKey("groups.id", name="memberships_have_a_group"), nullable=False),
    Column("account_id", Uuid, ForeignKey("accounts.id", name="memberships_have_an_account"), nullable=False),
    _required("role", ValueColumn(Role)),
    UniqueConstraint("group_id", "account_id", name="memberships_are_unique"),
    Index("memberships_by_account", "account_id"),
)

event_log = Table(
    "event_log",
    metadata,
    Column("position", BigInteger, Identity(always=True), primary_key=True),
    _required("event_id", Uuid),
    _required("aggregate", TextColumn),
    _required("aggregate_id", Uuid),
    _required("version", Integer),
    _required("type", TextColumn),
    _required("schema", Integer),
    _required("data", JSON),
    _required("metadata", JSON),
    _required("occurred_at", DateTime(timezone=True)),
    UniqueConstraint("aggregate", "aggregate_id", "version", name="event_log_versions_are_unique"),
    UniqueConstraint("event_id", name="event_log_ids_are_unique"),
    Index(
        "event_log_memberships_by_account",
        text("(data ->> 'account_id')"),
        postgresql_where=text("aggregate = 'membership'"),
    ),
    Index("event_log_erasures", "position", postgresql_where=text("type = 'account-erased'")),
)

command_log = Table(
    "command_log",
    metadata,
    Column("subject", TextColumn, primary_key=True),
    Column("key", TextColumn, primary_key=True),
    _required("command", TextColumn),
    _required("fingerprint", LargeBinary),
    Column("outcome_id", Uuid),
    Column("outcome_version", Integer),
    Column("outcome_position", BigInteger),
    _required("expires_at", DateTime(timezone=True)),
    Column("claim", BigInteger),
    Index("command_log_by_expiry", "expires_at"),
)

installation = Table(
    "installation",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    _required("fingerprint_key", LargeBinary),
    _required("token_key", LargeBinary),
    CheckConstraint("id = 1", name="installation_has_one_row"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    _required("id", Uuid),
    _required("reaction", TextColumn),
    _required("channel", TextColumn),
    _required("endpoint", TextColumn),
    _required("account_id", Uuid),
    _required("event_id", Uuid),
    _required("position", BigInteger),
    _required("version", Integer),
    _required("is_ordered", Boolean),
    _required("due_at", DateTime(timezone=True)),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("error", TextColumn),
    Column("given_up_at", DateTime(timezone=True)),
    UniqueConstraint("id", name="deliveries_are_unique"),
    Index("deliveries_due", "channel", "due_at", "number", postgresql_where=text("given_up_at is null")),
    Index(
        "deliveries_in_order",
        *("account_id", "channel", "endpoint", "number"),
        postgresql_where=text("given_up_at is null and is_ordered"),
    ),
    Index("deliveries_given_up", "given_up_at", postgresql_where=text("given_up_at is not null")),
)

reaction_checkpoint = Table(
    "reaction_checkpoint",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    _required("position", BigInteger),
    CheckConstraint("id = 1", name="reaction_checkpoint_has_one_row"),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Uuid, primary_key=True),
    _required("name", TextColumn),
    _required("url", TextColumn),
    _required("types", ARRAY(TextColumn)),
    Column("account_id", Uuid),
    Column("group_id", Uuid),
    _required("with_values", Boolean),
    _required("position", BigInteger),
    _required("secret", TextColumn),
    Column("former_secret", TextColumn),
    Column("former_until", DateTime(timezone=True)),
    _required("failures", Integer),
    Column("failing_since", DateTime(timezone=True)),
    Column("retry_at", DateTime(timezone=True)),
    Column("error", TextColumn),
    Column("paused_at", DateTime(timezone=True)),
    Column("reason", TextColumn),
    _required("created_at", DateTime(timezone=True)),
    _required("revision", BigInteger),
    UniqueConstraint("name", name="webhooks_name_is_unique"),
)

__all__ = [
    "accounts",
    "command_log",
    "deliveries",
    "event_log",
    "groups",
    "installation",
    "memberships",
    "metadata",
    "profiles",
    "reaction_checkpoint",
    "webhooks",
]
