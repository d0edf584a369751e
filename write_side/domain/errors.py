"""Why a command was not carried out, or may not have been."""

from write_side.domain.references import AccountRef, GroupRef


class Conflict(Exception):
    """The command cannot be carried out because of what is there already."""


class EmailTaken(Conflict):
    """Another account holds the e-mail address."""


class HandleTaken(Conflict):
    """Another account holds the handle."""


class SlugTaken(Conflict):
    """Another group holds the slug."""


class ExternalIdTaken(Conflict):
    """Another account, or another group, holds the external id."""


class AccountExists(Conflict):
    """The id was given to an account before; ids are never used again."""


class GroupExists(Conflict):
    """The id was given to a group before, be it deleted; ids are never used again."""


class AccountNotFound(Exception):
    """No account has that id, handle or external id."""

    def __init__(self, ref: AccountRef) -> None:
        # Says how it was looked for and not for whom: the message may end in a log.
        super().__init__(f"No account has this {ref.kind}")


class GroupNotFound(Exception):
    """No group has that id or slug."""

    def __init__(self, ref: GroupRef) -> None:
        super().__init__(f"No group has this {ref.kind}")


class MemberNotFound(Exception):
    """The account does not belong to the group."""

    def __init__(self) -> None:
        super().__init__("The account is not a member of the group")


class VersionMismatch(Exception):
    """The caller expected another version than the one found."""

    def __init__(self, *, expected: int, found: int) -> None:
        super().__init__(f"Expected version {expected}, found {found}")


class IdempotencyMismatch(Exception):
    """The key was used for another command."""


class StaleAggregate(Exception):
    """An aggregate changed since it was read."""


class Contention(Exception):
    """The database gave up on this transaction for the sake of another one."""


class OutcomeUnknown(Exception):
    """The connection was lost after COMMIT was sent, and the key could not be asked for either."""
