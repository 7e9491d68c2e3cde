import numpy as np
import pytest
import torch
from PIL import Image

from prunescope.core.errors import PrunescopeError
from prunescope.data.resize import resized, resized_image

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("height", "width", "side"), [(12, 20, 5), (20, 12, 5), (7, 7, 14), (9, 30, 9)])
def test_tensors_and_files_become_the_same(height, width, side):
    pixels = RNG.integers(256, size=(height, width, 3), dtype=np.uint8)
    image = np.asarray(resized_image(Image.fromarray(pixels), side))
    tensor = resized(torch.from_numpy(pixels.transpose(2, 0, 1)[None].copy()), side)
    assert tensor.shape == (1, 3, side, side) and tensor.dtype == torch.uint8
    assert np.abs(tensor[0].numpy().transpose(1, 2, 0).astype(int) - image.astype(int)).max() <= 1


def test_the_middle_is_kept_and_a_fitting_image_is_untouched():
    wide = torch.zeros(1, 1, 4, 12)
    wide[..., 4:8] = 1
    assert torch.equal(resized(wide, 4), torch.ones(1, 1, 4, 4))
    square = torch.rand(2, 3, 6, 6)
    assert torch.allclose(resized(square, 6), square)


def test_no_side_is_refused():
    with pytest.raises(PrunescopeError, match="expected a side ≥ 1, got 0"):
        resized(torch.zeros(1, 1, 4, 4), 0)
