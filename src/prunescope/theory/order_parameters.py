"""Order parameters of teacher and student: overlaps of weight rows, also averaged over random masks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunescope.core.errors import PrunescopeError

Array = NDArray[np.float64]


class OrderParameters(NamedTuple):
    """Q (student-student), R (student-teacher) and T (teacher-teacher)."""

    q: Array
    r: Array
    t: Array


def order_parameters(students: ArrayLike, teachers: ArrayLike) -> OrderParameters:
    r"""Return $Q_{ik} = w_i \cdot w_k / N$, $R_{in} = w_i \cdot w^*_n / N$ and $T_{nm} = w^*_n \cdot w^*_m / N$.

    They are the covariances of the pre-activations $w \cdot x / \sqrt N$ for inputs $x \sim N(0, 1)$.

    Args:
        students: first-layer weights ``[..., K, N]``; pruned weights are zeros.
        teachers: first-layer weights ``[M, N]``.

    Returns:
        Q ``[..., K, K]``, R ``[..., K, M]``, T ``[M, M]``.

    Raises:
        PrunescopeError: for numbers that are not finite or rows of different length.

    Source: Saad and Solla, On-line learning in soft committee machines, Physical Review E 52 (1995).

    Example:
        >>> order_parameters([[1.0, 1.0], [2.0, 0.0]], [[1.0, 1.0]]).r.tolist()
        [[1.0], [1.0]]
    """
    w, w_star = _checked_weights(students, teachers)
    inputs = w.shape[-1]
    return OrderParameters(w @ np.swapaxes(w, -1, -2) / inputs, w @ w_star.T / inputs, w_star @ w_star.T / inputs)


def mean_order_parameters(students: ArrayLike, teachers: ArrayLike, masks: ArrayLike) -> OrderParameters:
    """Return the means over masks of the order parameters of the masked students.

    Args:
        students: ``[K, N]``.
        teachers: ``[M, N]``.
        masks: True = kept ``[masks, K, N]``, or ``[masks, K, 1]`` for whole nodes.

    Raises:
        PrunescopeError: for numbers that are not finite or shapes that do not fit.

    Source: Acharyya et al., Statistical Mechanical Analysis of Neural Network Pruning, UAI 2021.

    Example:
        >>> masks = [[[True, False]], [[True, True]]]
        >>> mean_order_parameters([[1.0, 1.0]], [[1.0, 1.0]], masks).q.tolist()
        [[0.75]]
    """
    w, w_star = _checked_weights(students, teachers)
    kept = np.asarray(masks)
    if kept.dtype != np.bool_ or kept.ndim != 3 or not len(kept) or kept.shape[1:] not in (w.shape, (len(w), 1)):
        raise PrunescopeError(
            "masks do not fit the students", expected=f"bool [masks, {len(w)}, {w.shape[-1]} or 1]", got=kept.shape
        )
    each = order_parameters(w * kept, w_star)
    return OrderParameters(each.q.mean(axis=0), each.r.mean(axis=0), each.t)


def random_edge_order_parameters(students: ArrayLike, teachers: ArrayLike, keep: float) -> OrderParameters:
    r"""Return the expected order parameters when each edge is kept with probability c, independently.

    $E\,Q_{ii} = c\,Q_{ii}$, $E\,Q_{ik} = c^2 Q_{ik}$ and $E\,R_{in} = c\,R_{in}$. The same holds for exactly
    cN random edges of each node, because the nodes' masks are independent.

    Args:
        students: ``[..., K, N]``.
        teachers: ``[M, N]``.
        keep: c, in [0, 1].

    Raises:
        PrunescopeError: for c outside [0, 1].

    Source: Acharyya et al., Statistical Mechanical Analysis of Neural Network Pruning, UAI 2021.

    Example:
        >>> random_edge_order_parameters([[1.0, 1.0], [1.0, 1.0]], [[1.0, 1.0]], 0.5).q.tolist()
        [[0.5, 0.25], [0.25, 0.5]]
    """
    if not 0 <= keep <= 1:
        raise PrunescopeError("probability to keep an edge out of range", expected="0 ≤ c ≤ 1", got=keep)
    return _thinned(order_parameters(students, teachers), keep, keep**2)


def random_node_order_parameters(students: ArrayLike, teachers: ArrayLike, kept: int) -> OrderParameters:
    r"""Return the expected order parameters when ``kept`` of the K nodes are kept at random.

    $E\,Q_{ii} = \frac{n}{K} Q_{ii}$, $E\,Q_{ik} = \frac{n(n-1)}{K(K-1)} Q_{ik}$, $E\,R_{in} = \frac{n}{K} R_{in}$.

    Args:
        students: ``[..., K, N]``.
        teachers: ``[M, N]``.
        kept: n, in [0, K].

    Raises:
        PrunescopeError: for n outside [0, K].

    Example:
        >>> random_node_order_parameters([[1.0, 1.0], [1.0, 1.0]], [[1.0, 1.0]], 1).q.tolist()
        [[0.5, 0.0], [0.0, 0.5]]
    """
    whole = order_parameters(students, teachers)
    nodes = whole.q.shape[-1]
    if isinstance(kept, bool) or not isinstance(kept, (int, np.integer)) or not 0 <= kept <= nodes:
        raise PrunescopeError("nodes kept out of range", expected=f"a whole number from 0 to {nodes}", got=kept)
    both = kept * (kept - 1) / (nodes * (nodes - 1)) if nodes > 1 else 0.0
    return _thinned(whole, kept / nodes, both)


def magnitude_edges(students: ArrayLike, kept: int) -> NDArray[np.bool_]:
    """Return the mask of the ``kept`` largest |w| of each node; ties go to the earlier edge.

    Args:
        students: ``[..., K, N]``.
        kept: edges kept per node, from 0 to N.

    Returns:
        Bool mask of the same shape.

    Raises:
        PrunescopeError: for ``kept`` outside [0, N].

    Example:
        >>> magnitude_edges([[1.0, -3.0, 2.0]], 2).tolist()
        [[False, True, True]]
    """
    weights = finite_array(students, "students", least_axes=2)
    if isinstance(kept, bool) or not isinstance(kept, (int, np.integer)) or not 0 <= kept <= weights.shape[-1]:
        raise PrunescopeError(
            "edges kept out of range", expected=f"a whole number from 0 to {weights.shape[-1]}", got=kept
        )
    order = np.argsort(-np.abs(weights), axis=-1, kind="stable")[..., :kept]
    mask = np.zeros(weights.shape, dtype=bool)
    np.put_along_axis(mask, order, True, axis=-1)
    return mask


def normalize_rows(weights: ArrayLike) -> Array:
    r"""Return $w_i \leftarrow \sqrt N\, w_i / \lVert w_i \rVert$, so that $Q_{ii} = 1$.

    Args:
        weights: ``[..., K, N]``.

    Raises:
        PrunescopeError: for a row of zeros.

    Example:
        >>> normalize_rows([[0.0, 3.0, 0.0, 0.0]]).tolist()
        [[0.0, 2.0, 0.0, 0.0]]
    """
    w = finite_array(weights, "weights", least_axes=2)
    lengths = np.linalg.norm(w, axis=-1, keepdims=True)
    if (lengths == 0).any():
        raise PrunescopeError("a row of zeros has no direction", got=f"{int((lengths == 0).sum())} such rows")
    return np.asarray(np.sqrt(w.shape[-1]) * w / lengths)


def finite_array(values: ArrayLike, name: str, *, least_axes: int) -> Array:
    """Return the values as float64; refuse what is no number, NaN, infinite, empty or of too few axes."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise PrunescopeError("cannot be read as numbers", got=error, where=name) from None
    if array.ndim < least_axes or array.size == 0:
        raise PrunescopeError(
            "an array of this shape is not known", expected=f"≥ {least_axes} axes", got=array.shape, where=name
        )
    if not np.isfinite(array).all():
        raise PrunescopeError("NaN or infinite entries", got=int((~np.isfinite(array)).sum()), where=name)
    return array


def _checked_weights(students: ArrayLike, teachers: ArrayLike) -> tuple[Array, Array]:
    w = finite_array(students, "students", least_axes=2)
    w_star = finite_array(teachers, "teachers", least_axes=2)
    if w_star.ndim != 2 or w.shape[-1] != w_star.shape[-1]:
        raise PrunescopeError(
            "students and teachers do not see the same inputs",
            expected="[..., K, N] and [M, N]",
            got=f"{w.shape} and {w_star.shape}",
        )
    return w, w_star


def _thinned(whole: OrderParameters, one: float, both: float) -> OrderParameters:
    """Scale overlaps by the chances that one node's part, or both nodes' parts, survive."""
    scale = np.where(np.eye(whole.q.shape[-1], dtype=bool), one, both)
    return OrderParameters(whole.q * scale, whole.r * one, whole.t)
