"""``python -m prunescope`` is the command line."""

import gc
import sys

from prunescope.study import nursery


def main() -> None:
    """Begin what workers need, if a run is likely, and read the command line, whose imports take as long."""
    words = sys.argv[1:]
    if words[:1] in (["run"], ["demo"]) and not any(word.startswith(("--on", "--dry-run", "--help")) for word in words):
        nursery.begin_early()
    gc.disable()  # what is imported now stays
    from prunescope.cli import main as command_line

    gc.freeze()
    gc.enable()
    command_line()


if __name__ == "__main__":
    main()
