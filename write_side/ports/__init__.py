"""What the use cases need of the world, and the ways in and out beside them."""

from write_side.ports.commands import Answer, CommandContext, Outcome, Place, Window
from write_side.ports.deliveries import Deliveries, Delivery, DeliveryCounts, DeliverySession, LeadLost, Recipient
from write_side.ports.mail import Mail, Mailer, MailRefused, TokenKey
from write_side.ports.repositories import Accounts, Groups, Memberships, Profiles
from write_side.ports.shard_locks import ShardLocks
from write_side.ports.unit_of_work import AlreadyDone, NotYet, RunAgain, UnitOfWork, UnitsOfWork

__all__ = [
    "Accounts",
    "AlreadyDone",
    "Answer",
    "CommandContext",
    "Deliveries",
    "Delivery",
    "DeliveryCounts",
    "DeliverySession",
    "Groups",
    "LeadLost",
    "Mail",
    "MailRefused",
    "Mailer",
    "Memberships",
    "NotYet",
    "Outcome",
    "Place",
    "Profiles",
    "Recipient",
    "RunAgain",
    "ShardLocks",
    "TokenKey",
    "UnitOfWork",
    "UnitsOfWork",
    "Window",
]
