"""``python -m edgeplan`` is the command ``edgeplan``."""

from ._command import main

main()
