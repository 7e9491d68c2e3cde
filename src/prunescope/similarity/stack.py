"""Many layers side by side: all cross products through one stacked product, rows by rows, in float64."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import torch
from scipy.linalg.blas import dsyrk
from torch import Tensor

from prunescope.similarity.representation import Representation

MAX_COLUMNS = 8192
CACHED_VALUES = 2**20
GRAPHICS_VALUES = 2**27
GRAM_VALUES = 2**24
PRODUCT_DEPTH = 384

Layers = Sequence[Representation]


class LinearStatistics(NamedTuple):
    """What linear HSIC needs of layers X_i ``[n, p_i]`` and Y_j ``[n, q_j]``, all centred.

    Attributes:
        inner: ``[i, j]`` ‖X_iᵀ Y_j‖²_F.
        own_x: ``[i]`` ‖X_iᵀ X_i‖²_F.
        own_y: ``[j]`` ‖Y_jᵀ Y_j‖²_F.
        norms_x: ``[i, n]`` squared norms of the rows of X_i.
        norms_y: ``[j, n]`` squared norms of the rows of Y_j.
    """

    inner: Tensor
    own_x: Tensor
    own_y: Tensor
    norms_x: Tensor
    norms_y: Tensor


class Stack:
    """Layers as one wide matrix that is never held whole: a reused buffer takes some rows at a time."""

    def __init__(self, layers: Layers, chunk: int) -> None:
        self.layers = layers
        self.widths = [layer.width for layer in layers]
        self.n = layers[0].n
        self.chunk = chunk
        self.norms = self._empty(len(layers), self.n)
        self._buffer = self._empty(chunk, sum(self.widths))
        # neighbours of one width are worked on as a batch: small products keep all cores busy together
        self._runs = [list(run) for _, run in groupby(layers, key=lambda layer: layer.width)]
        self._values = [self._empty(len(run), chunk, run[0].width) for run in self._runs]
        self._own: list[Tensor] = []

    def fill(self, rows: slice, *, own: bool) -> Tensor:
        """Return the centred rows ``[rows, columns]``; the next call overwrites them.

        With ``own`` they are added to every layer's product with itself, and the norms of the rows are noted.
        """
        block = self._buffer[: rows.stop - rows.start]
        if own and not self._own:
            self._own = [self._empty(len(run), run[0].width, run[0].width).zero_() for run in self._runs]
        first = column = 0
        for index, (run, buffer) in enumerate(zip(self._runs, self._values, strict=True)):
            values = buffer[:, : len(block)]
            for layer, part in zip(run, values, strict=True):
                torch.sub(layer.data[rows], layer.mean, out=part)
            if own:
                _add_own_products(self._own[index], values)
                self.norms[first : first + len(run), rows] = torch.linalg.vector_norm(values, dim=2)
            columns = len(run) * run[0].width
            block[:, column : column + columns].view(len(block), len(run), -1).copy_(values.transpose(0, 1))
            first += len(run)
            column += columns
        return block

    def own(self) -> Tensor:
        """Return ``[layers]`` squared Frobenius norms of the products of the layers with themselves."""
        lower = (products.tril().square().sum((1, 2)) for products in self._own)
        diagonal = (products.diagonal(dim1=1, dim2=2).square().sum(1) for products in self._own)
        return torch.cat([2 * below - once for below, once in zip(lower, diagonal, strict=True)])

    def _empty(self, *shape: int) -> Tensor:
        return torch.empty(shape, dtype=torch.float64, device=self.layers[0].data.device)


def linear_statistics(xs: Layers, ys: Layers) -> LinearStatistics:
    """Return the statistics through features or through examples, whichever takes fewer multiplications."""
    n = xs[0].n
    p, q = sum(x.width for x in xs), sum(y.width for y in ys)
    squares = sum(layer.width**2 for layer in (*xs, *ys))
    by_features = n * (p * q + squares)
    by_examples = n * n * (p + q + len(xs) * len(ys))
    return feature_statistics(xs, ys) if by_features <= by_examples else gram_statistics(xs, ys)


def feature_statistics(xs: Layers, ys: Layers) -> LinearStatistics:
    """Return the statistics through ``[p, q]`` products; memory does not grow with n."""
    stacks_x, stacks_y = _stacks(xs, ys)
    inner = []
    for i, x in enumerate(stacks_x):
        row = []
        for j, y in enumerate(stacks_y):
            product = _stacked_product(x, y, own_x=j == 0, own_y=i == 0 and ys is not xs)
            row.append(_block_sums(product.square_(), x.widths, y.widths))
        inner.append(torch.cat(row, dim=1))
    own_x, own_y = (torch.cat([stack.own() for stack in stacks]) for stacks in (stacks_x, stacks_y))
    norms_x, norms_y = (torch.cat([stack.norms for stack in stacks]).square_() for stacks in (stacks_x, stacks_y))
    return LinearStatistics(torch.cat(inner), own_x, own_y, norms_x, norms_y)


def gram_statistics(xs: Layers, ys: Layers) -> LinearStatistics:
    """Return the statistics through the ``[n, n]`` kernels, some rows of all of them at a time."""
    n, same = xs[0].n, ys is xs
    chunk = max(1, GRAM_VALUES // (n * (len(xs) + len(ys))))
    inner = xs[0].mean.new_zeros(len(xs), len(ys))
    own_x, own_y = inner.new_zeros(len(xs)), inner.new_zeros(len(ys))
    norms_x, norms_y = inner.new_zeros(len(xs), n), inner.new_zeros(len(ys), n)
    for start in range(0, n, chunk):
        rows = slice(start, min(start + chunk, n))
        kernels_x = _kernel_rows(xs, rows, norms_x)
        kernels_y = kernels_x if same else _kernel_rows(ys, rows, norms_y)
        inner.addmm_(kernels_x, kernels_y.T)
        own_x.add_(kernels_x.square().sum(1))
        if not same:
            own_y.add_(kernels_y.square().sum(1))
    return LinearStatistics(inner, own_x, own_x if same else own_y, norms_x, norms_x if same else norms_y)


def cross_products(xs: Layers, ys: Layers) -> Iterator[tuple[int, int, Tensor]]:
    """Yield ``i, j, X_iᵀ Y_j`` (centred, ``[p_i, q_j]``) for all pairs, from one stacked product."""
    stacks_x, stacks_y = _stacks(xs, ys)
    first = 0
    for x in stacks_x:
        second = 0
        for y in stacks_y:
            product = _stacked_product(x, y, own_x=False, own_y=False)
            for i, band in enumerate(torch.split(product, x.widths, dim=0)):
                for j, block in enumerate(torch.split(band, y.widths, dim=1)):
                    yield first + i, second + j, block
            second += len(y.layers)
        first += len(x.layers)


def _stacks(xs: Layers, ys: Layers) -> tuple[list[Stack], list[Stack]]:
    groups_x, groups_y = _groups(xs), _groups(ys)
    columns = max(sum(x.width for x in group) for group in groups_x + groups_y)
    on_cpu = xs[0].data.device.type == "cpu"
    # as many rows as stay in the cache, in the depth a matrix product works with; large steps on a graphics card
    steps = (CACHED_VALUES if on_cpu else GRAPHICS_VALUES) // (2 * columns * PRODUCT_DEPTH)
    chunk = min(xs[0].n, max(1, steps) * PRODUCT_DEPTH)
    stacks = [Stack(group, chunk) for group in groups_x]
    return stacks, stacks if ys is xs else [Stack(group, chunk) for group in groups_y]


def _groups(layers: Layers) -> list[list[Representation]]:
    """Split the layers so that a product of two groups stays in memory."""
    groups: list[list[Representation]] = [[]]
    columns = 0
    for layer in layers:
        if groups[-1] and columns + layer.width > MAX_COLUMNS:
            groups.append([])
            columns = 0
        groups[-1].append(layer)
        columns += layer.width
    return groups


def _stacked_product(x: Stack, y: Stack, *, own_x: bool, own_y: bool) -> Tensor:
    product = x.layers[0].mean.new_empty(sum(x.widths), sum(y.widths))
    for start in range(0, x.n, x.chunk):
        rows = slice(start, min(start + x.chunk, x.n))
        left = x.fill(rows, own=own_x)
        right = left if y is x else y.fill(rows, own=own_y)
        product.addmm_(left.T, right, beta=0 if start == 0 else 1)
    return product


def _add_own_products(totals: Tensor, values: Tensor) -> None:
    """Add V_kᵀ V_k of ``values [layers, rows, width]`` to the lower triangles of ``totals [layers, width, width]``."""
    if totals.device.type != "cpu" or torch.get_num_threads() > 1:
        totals.baddbmm_(values.transpose(1, 2), values)
        return
    # one thread: half the multiplications by BLAS's symmetric product, which reads V stored by rows as Vᵀ
    for total, part in zip(totals.numpy(), values.numpy(), strict=True):
        dsyrk(1.0, part.T, 1.0, total.T, overwrite_c=True)


def _block_sums(product: Tensor, rows: Sequence[int], columns: Sequence[int]) -> Tensor:
    bands = torch.stack([part.sum(1) for part in torch.split(product, list(columns), dim=1)], dim=1)
    return torch.stack([part.sum(0) for part in torch.split(bands, list(rows), dim=0)])


def _kernel_rows(layers: Layers, rows: slice, norms: Tensor) -> Tensor:
    """Return ``[layers, rows · n]`` of the centred linear kernels; note their diagonals in ``norms``."""
    kernels = []
    for index, layer in enumerate(layers):
        values = layer.centred()
        norms[index, rows] = values[rows].square().sum(1)
        kernels.append((values[rows] @ values.T).flatten())
    return torch.stack(kernels)
