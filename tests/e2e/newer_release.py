"""The program of the next release: `profiles` has another version, and does the same. To import it is to be it."""

from projector.projections.profiles import profiles
from shared.cli.main import main

profiles.version += 1  # also in the processes that it starts, which import it under another name

if __name__ == "__main__":
    main()
