"""``python -m prunescope`` is the command line."""

from prunescope.cli import main

main()
