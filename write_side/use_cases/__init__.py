"""The only place of business operations: one file a command."""

from write_side.use_cases.add_group_member import add_group_member
from write_side.use_cases.change_email import change_email
from write_side.use_cases.change_handle import change_handle
from write_side.use_cases.change_member_role import change_member_role
from write_side.use_cases.close_account import close_account
from write_side.use_cases.command import Command, optional_texts, with_nulls
from write_side.use_cases.create_group import create_group
from write_side.use_cases.delete_group import delete_group
from write_side.use_cases.erase_account import erase_account
from write_side.use_cases.register_account import register_account
from write_side.use_cases.reinstate_account import reinstate_account
from write_side.use_cases.remove_group_member import remove_group_member
from write_side.use_cases.suspend_account import suspend_account
from write_side.use_cases.update_group import update_group
from write_side.use_cases.update_profile import update_profile
from write_side.use_cases.use_case import UseCase, use_case
from write_side.use_cases.verify_email import verify_email

USE_CASES: tuple[UseCase, ...] = (
    use_case(register_account),
    use_case(update_profile),
    use_case(change_handle),
    use_case(change_email),
    use_case(verify_email),
    use_case(suspend_account),
    use_case(reinstate_account),
    use_case(close_account),
    use_case(erase_account),
    use_case(create_group),
    use_case(update_group),
    use_case(delete_group),
    use_case(add_group_member),
    use_case(change_member_role),
    use_case(remove_group_member),
)

__all__ = ["USE_CASES", "Command", "UseCase", "optional_texts", "with_nulls"]
