"""Corruption of training images: each gets one at random, for networks that are to be robust."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor

from prunescope.core.errors import unknown_name
from prunescope.data.augment import AUGMENTATIONS, Augmentation
from prunescope.data.shifts.apply import apply_shift
from prunescope.data.shifts.shift import SHIFTS

MIXES = {
    "mix1": (
        "contrast", "elastic", "gaussian_blur", "impulse_noise", "motion_blur", "pixelate", "shot_noise", "snow",
        "zoom_blur",
    ),
    "mix2": (
        "brightness", "defocus_blur", "fog", "frost", "gaussian_noise", "glass_blur", "jpeg", "saturate", "spatter",
        "speckle_noise",
    ),
}  # fmt: skip


@AUGMENTATIONS.register("corrupt")
class Corrupt(Augmentation):
    """Give each image a corruption drawn uniformly from a mix, at a severity drawn uniformly; severity 0 leaves it.

    The parameters are those of the test corruptions (:mod:`prunescope.data.shifts`), so that training and test do not
    differ in strength. Every epoch draws anew.

    Attributes:
        mix: ``mix1`` (contrast, elastic, Gaussian blur, impulse noise, motion blur, pixelate, shot noise, snow, zoom
            blur), ``mix2`` (the other ten, kept for testing), or names of corruptions.
        severities: drawn from, 0 to 5.

    Source: Liebenwein et al., Lost in Pruning, MLSys 2021, robust training.
    """

    mix: Literal["mix1", "mix2"] | tuple[str, ...] = "mix1"
    severities: Annotated[tuple[Annotated[int, Field(ge=0, le=5)], ...], Field(min_length=1)] = (0, 1, 2, 3, 4, 5)

    @field_validator("mix")
    @classmethod
    def _known(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        corruptions = [name for name in SHIFTS.names() if "severity" in SHIFTS.get(name).model_fields]
        for name in MIXES[value] if isinstance(value, str) else value:
            if name not in corruptions:
                raise unknown_name("corruption", name, corruptions)
        return value

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return the images, corrupted or not."""
        names = MIXES[self.mix] if isinstance(self.mix, str) else self.mix
        which = torch.randint(len(names), (len(images),), generator=generator)
        levels = torch.tensor(self.severities)[torch.randint(len(self.severities), (len(images),), generator=generator)]
        seed = int(torch.randint(2**31, (), generator=generator))
        changed = images.clone()
        for place, name in enumerate(names):
            for severity in sorted({*self.severities} - {0}):
                chosen = torch.nonzero((which == place) & (levels == severity))[:, 0].to(images.device)
                if len(chosen):
                    shift = SHIFTS.build({name: severity})
                    changed[chosen] = apply_shift(shift, images[chosen], seed=seed)
        return changed
