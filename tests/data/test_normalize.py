import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from prunescope.core.config import validate
from prunescope.core.errors import PrunescopeError
from prunescope.data import Normalization

shapes = st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(1, 4), st.integers(2, 4))
batches = hnp.arrays(np.uint8, shapes)


@settings(max_examples=50, deadline=None)
@given(batches)
def test_statistics_are_those_of_numpy_in_float64(array):
    scaled = array.astype(np.float64) / 255
    if (array.min(axis=(0, 2, 3)) == array.max(axis=(0, 2, 3))).any():
        with pytest.raises(PrunescopeError, match=r"no spread.*one value only"):
            Normalization.of(torch.from_numpy(array))
        return
    found = Normalization.of(torch.from_numpy(array))
    assert found.mean == pytest.approx(scaled.mean(axis=(0, 2, 3)), rel=1e-12, abs=1e-15)
    assert found.std == pytest.approx(scaled.std(axis=(0, 2, 3)), rel=1e-9)


def test_chunks_do_not_change_the_statistics():
    images = torch.randint(256, (9000, 1, 2, 2), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    found = Normalization.of(images)
    assert found.mean[0] == pytest.approx(images.double().mean().item() / 255, rel=1e-12)
    assert found.std[0] == pytest.approx(images.double().std(correction=0).item() / 255, rel=1e-12)


def test_a_small_deviation_around_a_large_mean_keeps_its_digits():
    images = torch.full((2000, 1, 10, 10), 255, dtype=torch.uint8)
    images[0, 0, 0, 0] = 254
    n = images.numel()
    expected = ((1 / n) * (1 - 1 / n)) ** 0.5 / 255
    assert Normalization.of(images).std[0] == pytest.approx(expected, rel=1e-9)


def test_its_own_images_come_out_with_mean_zero_and_deviation_one():
    images = torch.randint(256, (50, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    inputs = Normalization.of(images)(images).double()
    assert inputs.mean(dim=(0, 2, 3)).tolist() == pytest.approx([0, 0, 0], abs=1e-6)
    assert inputs.std(dim=(0, 2, 3), correction=0).tolist() == pytest.approx([1, 1, 1], rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64, torch.float16])
def test_the_formula_holds_for_both_kinds_of_images(dtype):
    images = torch.arange(2 * 3 * 4 * 4, dtype=torch.uint8).view(2, 3, 4, 4)
    given = images if dtype == torch.uint8 else (images.double() / 255).to(dtype)
    before = given.clone()
    mean, std = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    inputs = Normalization(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))(given)
    assert inputs.dtype == torch.float32 and torch.equal(given, before)
    tolerance = 1e-2 if dtype == torch.float16 else 2e-6
    torch.testing.assert_close(inputs, (images.float() / 255 - mean) / std, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"mean": [0.5], "std": [0.0]}, "std.0.*greater than 0"),
        ({"mean": [0.5], "std": [-1.0]}, "std.0.*greater than 0"),
        ({"mean": [0.5, 0.5], "std": [1.0]}, "do not match.*2 and 1"),
        ({"mean": [], "std": []}, "do not match"),
        ({"mean": [float("nan")], "std": [1.0]}, "mean.0.*finite"),
    ],
)
def test_what_cannot_normalise_is_refused(spec, told):
    with pytest.raises(PrunescopeError, match=told):
        validate(Normalization, spec, "normalization")


def test_images_with_other_channels_and_no_images_are_refused():
    with pytest.raises(PrunescopeError, match=r"expected \[n, 1, height, width\], got \(2, 3, 4, 4\)"):
        Normalization(mean=(0.5,), std=(0.5,))(torch.zeros(2, 3, 4, 4))
    with pytest.raises(PrunescopeError, match="no images"):
        Normalization.of(torch.empty(0, 0, 4, 4, dtype=torch.uint8))
