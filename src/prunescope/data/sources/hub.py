"""Image data sets of the Hugging Face hub, by name or from a local folder of their parquet files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from prunescope.core.errors import PrunescopeError
from prunescope.core.hub import without_retry_messages
from prunescope.data.dataset import SOURCES, SUBSET_SEED, Dataset, Outline, Source
from prunescope.data.sources.decode import decode_images
from prunescope.data.sources.files import checksums, labelled, with_test
from prunescope.data.sources.parquet import Split, count_rows, find_columns, find_parquet, first_row, open_split
from prunescope.data.sources.saved import is_saved, open_saved, opened
from prunescope.data.subset import stratified_subset


@SOURCES.register("hub")
class Hub(Source):
    """An image classification data set, by its name on the hub or by the path of its parquet files.

    The columns are found from the features. Images are decoded once into one uint8 tensor. Without a test split the
    validation split stands in for it.

    Attributes:
        name: ``owner/name`` on the hub, a folder (searched at any depth) or file of parquet, or a folder that
            ``save_to_disk`` wrote.
        configuration: of a hub data set that has several.
        revision: branch, tag or commit on the hub.
        image: column of the images, where several could be meant.
        label: column of the labels, where several could be meant.
    """

    name: Annotated[str, Field(min_length=1)]
    configuration: str | None = None
    revision: str = "main"
    image: str | None = None
    label: str | None = None

    def load(self) -> Mapping[str, Dataset]:
        """Return ``train`` and ``test``, or the one of them that a local folder holds."""
        return self._read(self._splits())

    def select(self, split: str, *, resize: int | None = None, limit: int | None = None) -> Dataset:
        """Return one split; the images of no other one, and no more than ``limit``, are decoded."""
        splits = self._splits(split)
        if split not in splits:
            raise PrunescopeError("there is no such split", got=split, where=self.name)
        return self._read({split: splits[split]}, resize, limit)[split]

    def _read(
        self, splits: Mapping[str, Split], resize: int | None = None, limit: int | None = None
    ) -> dict[str, Dataset]:
        parts, names = {}, set()
        for name, split in splits.items():
            image, label = find_columns(split, self.image, self.label)
            table = _part(split.read([image, label]), label, limit)
            images = decode_images(_encoded(table[image]), f"{split.where}: {image}", resize=resize)
            parts[name] = images, table[label].to_numpy()
            names.add(tuple(getattr(split.features[label], "names", None) or ()))
        if not splits:
            raise PrunescopeError("no split named train, test or validation", where=self.name)
        if len(names) > 1:
            raise PrunescopeError("the splits differ in their class names", got=sorted(names), where=self.name)
        return labelled(parts, names.pop() or None, self.name)

    def _splits(self, only: str = "") -> dict[str, Split]:
        root = self._local()
        if root is None:
            return self._download()
        if is_saved(root):
            return with_test(open_saved(root))
        found = with_test(find_parquet(root))
        return {split: open_split(files) for split, files in found.items() if only in ("", split)}

    def identity(self) -> Mapping[str, Any]:
        """Return the checksums of local files, or the name on the hub, and the columns that were asked for."""
        root = self._local()
        options = self.canonical() | {"name": self.name, "revision": self.revision}
        if root is not None:
            options = {k: v for k, v in options.items() if k in ("image", "label")}
            if is_saved(root):
                return {"arrow": checksums(sorted(root.rglob("*.arrow"))), **options}
            files = with_test(find_parquet(root))
            return {"parquet": {split: checksums(found) for split, found in files.items()}, **options}
        return {"hub": options}

    def outline(self) -> Outline | None:
        """Return what local parquet files tell before they are read: their rows, one image, the class names."""
        root = self._local()
        if root is None or is_saved(root):
            return None
        found, classes = with_test(find_parquet(root)), 0
        images = {}
        for name, files in found.items():
            split = open_split(files)
            image, label = find_columns(split, self.image, self.label)
            classes = len(getattr(split.features[label], "names", None) or ())
            first = decode_images(_encoded(first_row(files[0], image)), f"{split.where}: {image}")
            images[name] = (count_rows(files), *first.shape[1:])
        return Outline(images, classes) if classes else None

    def _local(self) -> Path | None:
        """Return the path that ``name`` is, or None for a name on the hub."""
        path = Path(self.name).expanduser()
        if path.exists():
            if self.configuration is not None or self.revision != "main":
                raise PrunescopeError("configuration and revision belong to names on the hub", where=self.name)
            return path
        if path.is_absolute() or path.suffix == ".parquet" or self.name.startswith(".") or self.name.count("/") != 1:
            raise PrunescopeError("no such file or folder, and no name on the hub", got=self.name, where="hub")
        return None

    def _download(self) -> dict[str, Split]:
        import datasets

        try:
            with without_retry_messages():
                found = datasets.load_dataset(self.name, self.configuration, revision=self.revision)
        except Exception as error:  # network, hub and builders each have their own exceptions
            told = f"{type(error).__name__}: {error}".splitlines()[0][:300]
            remedy = "Without network, pass a local folder of its parquet files instead of the name"
            raise PrunescopeError("cannot be loaded from the hub", got=told, where=self.name, remedy=remedy) from None

        return {split: opened(data, f"{self.name}: {split}") for split, data in with_test(found).items()}


class NamedHub(Source):
    """A well-known data set of the hub; ``path`` is a local folder of its parquet files, for work offline."""

    hub_name: ClassVar[str]
    known: ClassVar[Outline]

    path: str | None = None

    def load(self) -> Mapping[str, Dataset]:
        """Return ``train`` and ``test``."""
        return self._hub().load()

    def select(self, split: str, *, resize: int | None = None, limit: int | None = None) -> Dataset:
        """Return what :class:`Hub` returns."""
        return self._hub().select(split, resize=resize, limit=limit)

    def identity(self) -> Mapping[str, Any]:
        """Return what :class:`Hub` returns."""
        return self._hub().identity()

    def outline(self) -> Outline:
        """Return what everybody knows of it."""
        return self.known

    def _hub(self) -> Hub:
        return Hub(name=self.hub_name if self.path is None else self.path)


@SOURCES.register("mnist")
class Mnist(NamedHub):
    """MNIST: 60 000 and 10 000 grey images of handwritten digits, 28×28.

    Source: LeCun et al., Gradient-based learning applied to document recognition, Proceedings of the IEEE 1998.
    """

    hub_name: ClassVar[str] = "ylecun/mnist"
    known: ClassVar[Outline] = Outline({"train": (60_000, 1, 28, 28), "test": (10_000, 1, 28, 28)}, classes=10)


@SOURCES.register("cifar10")
class Cifar10(NamedHub):
    """CIFAR-10: 50 000 and 10 000 colour images of ten kinds of things, 32×32.

    Source: Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
    """

    hub_name: ClassVar[str] = "uoft-cs/cifar10"
    known: ClassVar[Outline] = Outline({"train": (50_000, 3, 32, 32), "test": (10_000, 3, 32, 32)}, classes=10)


def _part(table: Any, label: str, limit: int | None) -> Any:
    """Return the rows of a stratified part of a ``pyarrow.Table``."""
    if limit is None or limit >= len(table):
        return table
    return table.take(stratified_subset(table[label].to_numpy(), limit, SUBSET_SEED))


def _encoded(column: Any) -> Iterator[bytes | None]:
    """Yield the bytes of each image of a ``pyarrow.ChunkedArray`` of bytes, or of structs with bytes."""
    import pyarrow as pa

    for chunk in column.chunks:
        part = chunk.field("bytes") if pa.types.is_struct(chunk.type) else chunk
        yield from (value.as_py() for value in part)
