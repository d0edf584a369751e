"""The documents that the projection of profiles keeps."""

from datetime import datetime
from uuid import UUID

import msgspec

from projector.folding.projection import Kind
from shared.read_model.ordering import PROFILE_ORDERS
from shared.read_model.records import ProfileRecord


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """
    An account whose profile has not been folded yet.

    Both come from one command, but a batch may end between their events. Nobody is served half a person: the
    registration is a kind of its own, without public document or index entries, until the profile takes its place.
    """

    account_id: UUID
    handle: str
    email: str
    external_id: str | None
    created_at: datetime
    version: int


REGISTRATION = Kind("registration", Registration)
PROFILE = Kind("profile", ProfileRecord, orders=PROFILE_ORDERS)
