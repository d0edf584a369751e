"""The settings of a process, and the limits of its components."""

from shared.settings.environment import (
    ADDRESSES,
    DEFAULT,
    ENVIRONMENT,
    UNSET,
    Addresses,
    Rate,
    Secret,
    SettingMissingError,
    Settings,
    masked,
    printable,
    read_addresses,
    variable,
)

__all__ = [
    "ADDRESSES",
    "DEFAULT",
    "ENVIRONMENT",
    "UNSET",
    "Addresses",
    "Rate",
    "Secret",
    "SettingMissingError",
    "Settings",
    "masked",
    "printable",
    "read_addresses",
    "variable",
]
