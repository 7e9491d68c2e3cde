"""Natural pictures of several sizes, cut from the two photographs that come with scikit-learn."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from torch import Tensor

Pictures = Callable[..., Tensor]


@pytest.fixture(scope="session")
def pictures() -> Pictures:
    """Return a function that gives n uint8 pictures ``[n, channels, height, width]``."""
    photos = [Image.fromarray(photo).resize((160, 107), Image.Resampling.BOX) for photo in load_sample_images().images]
    arrays = [np.asarray(photo) for photo in photos]

    def cut(n: int = 6, channels: int = 3, height: int = 32, width: int = 32) -> Tensor:
        rng = np.random.default_rng(0)
        crops = []
        for i in range(n):
            photo = arrays[i % 2]
            top, left = rng.integers(photo.shape[0] - height), rng.integers(photo.shape[1] - width)
            crops.append(photo[top : top + height, left : left + width])
        images = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).contiguous()
        return images[:, 1:2].contiguous() if channels == 1 else images

    return cut
