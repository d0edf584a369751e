"""The write side in memory: for tests and for trying things out."""

from write_side.adapters.memory.database import MemoryDatabase
from write_side.adapters.memory.deliveries import MemoryDeliveries
from write_side.adapters.memory.mailer import MemoryMailer
from write_side.adapters.memory.token_key import MemoryTokenKey
from write_side.adapters.memory.unit_of_work import MemoryUnitOfWork, MemoryUnitsOfWork

__all__ = [
    "MemoryDatabase",
    "MemoryDeliveries",
    "MemoryMailer",
    "MemoryTokenKey",
    "MemoryUnitOfWork",
    "MemoryUnitsOfWork",
]
