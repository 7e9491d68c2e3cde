"""Image data sets as the datasets library holds them: loaded from the hub, or saved with ``save_to_disk``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prunescope.core.errors import PrunescopeError
from prunescope.data.sources.parquet import Split

_MARKS = ("dataset_dict.json", "state.json")


def is_saved(root: Path) -> bool:
    """Return whether ``save_to_disk`` wrote this folder."""
    return any((root / mark).is_file() for mark in _MARKS)


def open_saved(root: Path) -> dict[str, Split]:
    """Return the splits in such a folder; one that holds a single data set is its test split.

    Raises:
        PrunescopeError: for a folder that cannot be read.
    """
    import datasets

    try:
        held = datasets.load_from_disk(str(root))
    except Exception as error:  # the library and its formats have exceptions of their own
        told = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise PrunescopeError("not a readable data set", got=told, where=str(root)) from None
    splits = held if isinstance(held, dict) else {str(held.split or "test"): held}
    return {split: opened(data, f"{root}: {split}") for split, data in splits.items()}


def opened(data: Any, where: str) -> Split:
    """Return one split of the library, a ``datasets.Dataset``, its images embedded when they are read."""
    from datasets.table import embed_table_storage

    def read(columns: list[str]) -> Any:
        return embed_table_storage(data.select_columns(columns).with_format("arrow")[:])

    return Split(features=data.features, read=read, where=where)
