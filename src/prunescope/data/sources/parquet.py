"""Image data sets as parquet files, in the layouts of the Hugging Face hub."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunescope.core.errors import PrunescopeError, unknown_name
from prunescope.core.expansion import refuse_expansion

SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
}
_SHARD = re.compile(r"(.*)-(\d{5})-of-(\d{5})(?:-\w+)?")


@dataclass(frozen=True, kw_only=True)
class Split:
    """One split before its columns are known: the features of the data set, and how to read columns of it.

    ``features`` is a ``datasets.Features``; ``read`` returns a ``pyarrow.Table``.
    """

    features: Any
    read: Callable[[list[str]], Any]
    where: str


def find_parquet(root: Path) -> dict[str, list[Path]]:
    """Return the parquet files of each split: ``root`` itself, or those below it at any depth.

    The split is the word train, test or validation in the file's name, or else the name of the nearest folder.
    Files of other splits are left out.

    Raises:
        PrunescopeError: for no parquet file, no split, one split in several folders, or a missing part of a split.
    """
    files = [root] if root.is_file() else sorted(f for f in root.rglob("*.parquet") if not _hidden(f, root))
    if not files:
        raise PrunescopeError("no parquet file in or below this folder", where=str(root))
    splits: dict[str, list[Path]] = {}
    for file in files:
        split = _split_of(file, root)
        if split:
            splits.setdefault(split, []).append(file)
    if not splits:
        expected, got = "train, test or validation in a file's name", ", ".join(f.name for f in files[:5])
        raise PrunescopeError("no split recognised", expected=expected, got=got, where=str(root))
    for split, found in splits.items():
        folders = sorted({str(file.parent) for file in found})
        if len(folders) > 1:
            remedy = "Pass the folder of one of them"
            raise PrunescopeError(
                f"several data sets have a {split} split", got=", ".join(folders[:5]), where=str(root), remedy=remedy
            )
        _refuse_missing_shards(found)
    return splits


def open_split(files: Sequence[Path]) -> Split:
    """Return the split that these files hold together.

    Raises:
        PrunescopeError: for a file that is not parquet or ends early, or files with different columns.
    """
    import datasets
    import pyarrow as pa
    import pyarrow.parquet as pq

    schemas = [_told(pq.read_schema, file) for file in files]
    for file, schema in zip(files, schemas, strict=True):
        if not schema.equals(schemas[0]):
            raise PrunescopeError("columns differ", expected=schemas[0].names, got=schema.names, where=str(file))

    def read(columns: list[str]) -> Any:
        return pa.concat_tables([_told(lambda f: _bounded(pq.ParquetFile(f), f).read(columns), file) for file in files])

    return Split(features=datasets.Features.from_arrow_schema(schemas[0]), read=read, where=str(files[0]))


def count_rows(files: Sequence[Path]) -> int:
    """Return the number of rows that the files say they have together."""
    import pyarrow.parquet as pq

    return sum(_told(pq.read_metadata, file).num_rows for file in files)


def first_row(file: Path, column: str) -> Any:
    """Return one row of a column, a ``pyarrow.ChunkedArray``."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    batch = next(_told(pq.ParquetFile, file).iter_batches(batch_size=1, columns=[column]))
    return pa.chunked_array([batch.column(0)])


def _bounded(opened: Any, file: Path) -> Any:
    """Return a ``pyarrow.parquet.ParquetFile`` unless it unpacks to too much; a row is eight bytes at least."""
    about = opened.metadata
    unpacked = sum(about.row_group(i).total_byte_size for i in range(about.num_row_groups))
    refuse_expansion(file.stat().st_size, max(unpacked, 8 * about.num_rows), str(file))
    return opened


def find_columns(split: Split, image: str | None, label: str | None) -> tuple[str, str]:
    """Return the names of the image column and the label column; None stands for the only one there can be.

    Raises:
        PrunescopeError: for a name that is no such column, and when not exactly one column can be meant.
    """
    import datasets

    features = split.features
    images = [name for name, feature in features.items() if _holds_images(feature)]
    integers = [name for name, f in features.items() if re.fullmatch(r"u?int\d+", str(getattr(f, "dtype", "")))]
    classes = [name for name in integers if isinstance(features[name], datasets.ClassLabel)]
    return (
        _one_column("image", image, images, images, split),
        _one_column("label", label, integers, classes or integers, split),
    )


def _one_column(kind: str, given: str | None, possible: list[str], likely: list[str], split: Split) -> str:
    """Return the column ``given``, or the one likely column, or that of the likely ones whose name is ``kind``."""
    if given is not None:
        if given not in possible:
            raise unknown_name(f"{kind} column", given, possible).at(split.where)
        return given
    found = [name for name in likely if name == kind] or likely
    if len(found) != 1:
        got = ", ".join(found) or f"none among {', '.join(split.features)}"
        remedy = f"Name it with the option {kind!r}"
        raise PrunescopeError(f"no {kind} column found", expected="one", got=got, where=split.where, remedy=remedy)
    return found[0]


def _holds_images(feature: Any) -> bool:
    """Return whether a feature is the hub's Image, or the bytes of files as other writers store them."""
    import datasets

    bytes_type = feature.get("bytes") if isinstance(feature, dict) else feature
    return isinstance(feature, datasets.Image) or getattr(bytes_type, "dtype", "") in ("binary", "large_binary")


def _told(call: Callable[[Path], Any], file: Path) -> Any:
    """Call a reader of ``file`` and tell its failure in one line."""
    import pyarrow as pa

    try:
        return call(file)
    except (OSError, pa.ArrowException) as error:
        told = str(error).splitlines()[0][:200]
        raise PrunescopeError("not a readable parquet file", got=told, where=str(file)) from None


def _hidden(file: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(root).parts)


def _split_of(file: Path, root: Path) -> str | None:
    """Return the split that a word in the file's name tells, or a folder's whole name, up to ``root`` itself."""
    words = {word for word in re.split("[^a-z]+", file.stem.lower()) if word in SPLIT_WORDS}
    told = {SPLIT_WORDS[word] for word in words}
    if len(told) > 1:
        raise PrunescopeError("a file's name tells two splits", got=", ".join(sorted(words)), where=str(file))
    if told:
        return told.pop()
    top = root.parent if root.is_file() else root
    folders = [folder.name.lower() for folder in file.parents if folder == top or top in folder.parents]
    return next((SPLIT_WORDS[name] for name in folders if name in SPLIT_WORDS), None)


def _refuse_missing_shards(files: Sequence[Path]) -> None:
    """Refuse ``train-00000-of-00002`` without its ``train-00001-of-00002``."""
    matches = [match for file in files if (match := _SHARD.fullmatch(file.stem))]
    for match in matches:
        have = sum(other[1] == match[1] and other[3] == match[3] for other in matches)
        if have != int(match[3]):
            got, where = f"{have} of {int(match[3])} files", str(files[0].parent)
            raise PrunescopeError(f"parts of {match[1]!r} are missing", expected="all", got=got, where=where)
