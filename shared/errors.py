"""Why a dependency cannot be used now, or a setting at all: distinguished no further than a caller has to."""


class Unavailable(Exception):
    """A dependency cannot be reached or does not serve now; a later attempt may succeed."""


class Unsound(Exception):
    """Something is in a state that nothing may be built on; the message says what it is and how to mend it."""


class EvictionPossible(Unsound):
    """Redis may evict records while it keeps the checkpoint, so that a missing one proves nothing."""


class Overloaded(Exception):
    """More is asked for than can be done in any reasonable time; nothing was done for this caller."""


class SettingsError(Exception):
    """A setting is wrong or unknown, or the environment is; the text names it and says what to do."""
