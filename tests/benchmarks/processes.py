"""What processes cost: CPU seconds from /proc, of all their threads and of all that descends from them."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
_PARENT, _USER, _CHILDREN_SYSTEM = 1, 11, 14
"""Places in /proc/PID/stat behind the name of the program (proc(5))."""


def cpu_seconds(*roots: int) -> float:
    """Return the CPU time that these processes and their descendants have had, those that have ended included."""
    table = dict(_stats())
    return sum(_ticks(table[pid]) for pid in family(roots, table)) / TICKS


def resident_mib(*roots: int) -> int:
    """Return the memory of these processes and their descendants; what several share counts once."""
    return sum(map(_proportional_kib, family(roots, dict(_stats())))) // 1024


def family(roots: Iterable[int], table: Mapping[int, Sequence[str]]) -> set[int]:
    """Return the processes among `table` that are, or descend from, one of `roots`."""
    found = set(roots) & table.keys()
    while children := {pid for pid, stat in table.items() if int(stat[_PARENT]) in found} - found:
        found |= children
    return found


def _ticks(stat: Sequence[str]) -> int:
    """Of the process itself, and of its children that it has waited for."""
    return sum(map(int, stat[_USER : _CHILDREN_SYSTEM + 1]))


def _proportional_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended meanwhile
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _stats() -> Iterable[tuple[int, Sequence[str]]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                text = (entry / "stat").read_text()
            except OSError:  # it has ended meanwhile
                continue
            yield int(entry.name), text.rpartition(")")[2].split()
