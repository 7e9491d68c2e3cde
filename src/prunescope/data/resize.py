"""Square images of one size: the shorter side scaled, the middle kept."""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor

from prunescope.core.errors import PrunescopeError


def resized(images: Tensor, side: int) -> Tensor:
    """Return ``[n, c, side, side]`` in the type of ``images``, bilinear with antialiasing.

    Args:
        images: ``[n, c, h, w]``, uint8 or float.
        side: in pixels.

    Raises:
        PrunescopeError: for a side below 1.

    Example:
        >>> resized(torch.zeros(2, 3, 10, 20, dtype=torch.uint8), 4).shape
        torch.Size([2, 3, 4, 4])
    """
    height, width = _scaled(images.shape[2], images.shape[3], side)
    top, left = (height - side) // 2, (width - side) // 2
    scaled = torch.nn.functional.interpolate(
        images.float(), size=(height, width), mode="bilinear", antialias=True, align_corners=False
    )[:, :, top : top + side, left : left + side]
    return scaled.contiguous() if images.is_floating_point() else scaled.round().to(images.dtype).contiguous()


def resized_image(image: Image.Image, side: int) -> Image.Image:
    """Return the same of one image before its pixels become a tensor."""
    height, width = _scaled(image.height, image.width, side)
    top, left = (height - side) // 2, (width - side) // 2
    scaled = image.resize((width, height), Image.Resampling.BILINEAR)
    return scaled.crop((left, top, left + side, top + side))


def _scaled(height: int, width: int, side: int) -> tuple[int, int]:
    """Return the sizes at which the shorter one is ``side``."""
    if side < 1:
        raise PrunescopeError("images cannot be made this small", expected="a side ≥ 1", got=side, where="resize")
    shorter = min(height, width)
    return max(side, round(height * side / shorter)), max(side, round(width * side / shorter))
