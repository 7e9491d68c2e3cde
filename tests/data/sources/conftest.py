import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image


def encoded(array, form="PNG", mode=None):
    """Return the bytes of an image file."""
    stream = io.BytesIO()
    image = Image.fromarray(array)
    (image if mode is None else image.convert(mode)).save(stream, form)
    return stream.getvalue()


@pytest.fixture
def encode():
    return encoded


@pytest.fixture
def write_parquet():
    """Write a parquet file in the hub's layout; labels are a ClassLabel where names are given."""

    def write(path, images, labels, *, names=None, image="image", label="label"):
        import datasets

        kind = datasets.Value("int64") if names is None else datasets.ClassLabel(names=names)
        features = datasets.Features({image: datasets.Image(), label: kind})
        table = pa.table(
            {image: [{"bytes": data, "path": None} for data in images], label: labels}, schema=features.arrow_schema
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path)
        return path

    return write
