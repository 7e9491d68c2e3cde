"""The Hilbert-Schmidt independence criterion from four sums, the same for every kernel and every route to them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from prunescope.core.errors import PrunescopeError

NOTHING_LEFT = 1e-12


def hsic(inner: Tensor, overlap: Tensor, trace_x: Tensor, trace_y: Tensor, n: int, *, debiased: bool) -> Tensor:
    r"""Return HSIC up to a factor that depends on n alone.

    With doubly centred kernels K, L (every row sums to 0) the unbiased estimator of Song et al. becomes

        n(n−3) HSIC₁ = ⟨K, L⟩ − n/(n−2) Σ_i K_ii L_ii + tr K · tr L / ((n−1)(n−2)),

    because leaving out the diagonal turns row sums into −K_ii, and adding a_i + a_j to K_ij (which is what
    centring does) changes none of the values of HSIC₁. The biased form is ⟨K, L⟩ alone.

    Args:
        inner: ⟨K, L⟩ = Σ_ij K_ij L_ij, any shape.
        overlap: Σ_i K_ii L_ii, same shape.
        trace_x: tr K, broadcastable.
        trace_y: tr L, broadcastable.
        n: number of examples.
        debiased: leave out the diagonals.

    Source: Song et al., Feature selection via dependence maximization, JMLR 13 (2012), equation 5.

    Example:
        >>> import torch
        >>> six, two, three, four = torch.tensor([6.0, 2.0, 3.0, 4.0])
        >>> float(hsic(six, two, three, four, 4, debiased=True))
        4.0
    """
    if not debiased:
        return inner
    return inner - overlap * (n / (n - 2)) + trace_x * trace_y / ((n - 1) * (n - 2))


def require_four(n: int, where: str) -> None:
    """Refuse the debiased form where it divides by n − 3 = 0 or less."""
    if n < 4:
        raise PrunescopeError(
            "debiased CKA needs at least four examples", expected="n ≥ 4", got=f"n = {n}", where=where
        )


def require_own(own: Tensor, inner: Tensor, names: Sequence[str]) -> None:
    """Refuse layers whose HSIC with themselves is zero to rounding: their CKA would be 0/0.

    Args:
        own: ``[layers]`` HSIC of each layer with itself, debiased or not.
        inner: ``[layers]`` its biased form, the scale of the rounding.
        names: of the layers.
    """
    for name, value, scale in zip(names, own.tolist(), inner.tolist(), strict=True):
        if not value > NOTHING_LEFT * scale:
            raise PrunescopeError(
                "CKA divides by the layer's HSIC with itself, which is zero here",
                expected=f"> {NOTHING_LEFT:g} of its biased form",
                got=f"{value / scale if scale > 0 else 0.0:.1e} of it",
                where=name,
                remedy="All pairs of examples are equally alike (or only one example differs); use more examples",
            )


def normalised(cross: Tensor, own_x: Tensor, own_y: Tensor) -> Tensor:
    """Return ``cross[i, j] / √(own_x[i] · own_y[j])`` within the bounds −1 and 1 that hold before rounding."""
    return (cross / own_x.sqrt()[:, None] / own_y.sqrt()).clamp(-1.0, 1.0)
