"""`muster up` whose processes are forked from it, of whichever code is found first: a program of its own."""

import sys
from importlib import import_module

from tests.support.forks import PRELOADED, call_up

if __name__ == "__main__":
    for each in PRELOADED:
        import_module(each)
    call_up(*sys.argv[1:])
