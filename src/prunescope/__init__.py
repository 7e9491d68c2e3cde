"""How far can a network be pruned before something that matters breaks, and what breaks first?"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from prunescope import measures, similarity, theory
    from prunescope.core.errors import PrunescopeError
    from prunescope.data import shifts
    from prunescope.pruning import Mask, dpp, prune
    from prunescope.study.audit import audit
    from prunescope.study.report import report
    from prunescope.study.run import results, run
    from prunescope.study.study import load_study

__all__ = [
    "Mask",
    "PrunescopeError",
    "audit",
    "dpp",
    "load_study",
    "measures",
    "prune",
    "report",
    "results",
    "run",
    "shifts",
    "similarity",
    "theory",
]

_HOMES = {
    "Mask": "pruning.mask",
    "PrunescopeError": "core.errors",
    "audit": "study.audit",
    "load_study": "study.study",
    "prune": "pruning.prune",
    "report": "study.report",
    "results": "study.run",
    "run": "study.run",
}
_MODULES = {
    "dpp": "pruning.dpp",
    "measures": "measures",
    "shifts": "data.shifts",
    "similarity": "similarity",
    "theory": "theory",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for: worker processes come through here, and need a part of it soon."""
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    if name in _MODULES:
        return import_module(f"{__name__}.{_MODULES[name]}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
