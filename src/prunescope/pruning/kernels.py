"""Kernels of determinantal criteria: similarity of nodes or edges from the second moments of their activations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from prunescope.core.registry import Member, Registry


class Kernel(Member, ABC):
    """Returns the kernel L ``[..., N, N]`` of N items from $G = H^T H / n$, H ``[n, N]`` their activations."""

    @abstractmethod
    def __call__(self, moments: Tensor) -> Tensor:
        """Return L from G, float64."""


KERNELS: Registry[Kernel] = Registry("kernels")


@KERNELS.register("linear")
class Linear(Kernel):
    r"""$L = G + \varepsilon I$: a set is likely when its activations span a large volume.

    Without ε the rank is at most the number of examples, and a larger set is refused.

    Attributes:
        epsilon: ridge ε.

    Source: Acharyya et al., Statistical Mechanical Analysis of Neural Network Pruning, UAI 2021.
    """

    epsilon: Annotated[float, Field(ge=0)] = 0.0

    def __call__(self, moments: Tensor) -> Tensor:
        """Return G + ε I."""
        return _with_ridge(moments, self.epsilon)


@KERNELS.register("rbf")
class Rbf(Kernel):
    r"""$L_{ij} = \exp(-\beta\, \lVert h_i - h_j \rVert^2 / n) + \varepsilon\, \delta_{ij}$.

    The squared distance is a mean over the n examples, so β does not depend on their number; the published
    10/60000 on a sum over 60000 images is β = 10.

    Attributes:
        beta: β, or ``median``: 1 over the median squared distance of those pairs that differ.
        epsilon: ridge ε.

    Source: Mariet and Sra, Diversity Networks: Neural Network Compression Using Determinantal Point Processes,
        ICLR 2016; the median: Garreau, Jitkrittum and Kanagawa, Large sample analysis of the median heuristic (2017).
    """

    beta: Annotated[float, Field(gt=0)] | Literal["median"] = 10.0
    epsilon: Annotated[float, Field(ge=0)] = 0.01

    def __call__(self, moments: Tensor) -> Tensor:
        """Return the kernel of squared distances ``G_ii + G_jj − 2 G_ij``."""
        squares = moments.diagonal(dim1=-2, dim2=-1)
        distances = (squares[..., :, None] + squares[..., None, :] - 2 * moments).clamp(min=0)
        distances.diagonal(dim1=-2, dim2=-1).zero_()
        return _with_ridge(torch.exp(-self._scaled(distances)), self.epsilon)

    def _scaled(self, distances: Tensor) -> Tensor:
        if self.beta != "median":
            return self.beta * distances
        differing = distances.masked_fill(distances == 0, torch.nan).flatten(-2)
        median = differing.nanmedian(dim=-1).values[..., None, None]
        return torch.where(distances == 0, distances, distances / median)


def _with_ridge(kernel: Tensor, epsilon: float) -> Tensor:
    return kernel + epsilon * torch.eye(kernel.shape[-1], dtype=kernel.dtype, device=kernel.device)
