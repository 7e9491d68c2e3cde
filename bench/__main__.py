"""Print one table: ``comparison | ours | peer | ratio``; a ratio above 1x means that ours is faster."""

import importlib
import pkgutil
import sys

import bench


def main() -> None:
    """Run the modules named on the command line, or all."""
    known = [module.name for module in pkgutil.iter_modules(bench.__path__) if not module.name.startswith("_")]
    print(f"{'comparison':<72} | {'ours':>10} | {'peer':>10} | ratio", flush=True)
    for name in sys.argv[1:] or known:
        for comparison, ours, peer in importlib.import_module(f"bench.{name}").rows():
            print(f"{comparison:<72} | {ours:>8.4g} s | {peer:>8.4g} s | {peer / ours:.2f}x", flush=True)


if __name__ == "__main__":
    main()
