"""The command line."""

import sys
from typing import NoReturn

from . import _edgeplan


def main() -> NoReturn:
    """Runs ``edgeplan`` with the arguments of this process, and ends it with its exit code."""
    # `bench` starts each of its trials as a process: this module again.
    again = [sys.executable, "-m", "edgeplan"]
    sys.exit(_edgeplan.main(["edgeplan", *sys.argv[1:]], again))
