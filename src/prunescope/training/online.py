"""Online learning of two-layer networks: every sample is seen once, many students learn at once.

A step of SGD changes the weights along one input, so that B steps act in the space of B inputs: with the Gram matrix
of a block of inputs, each step costs K·B numbers instead of K·N, and one product updates the weights at the end. This
is the same arithmetic in another order, not an approximation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prunescope.core.errors import PrunescopeError
from prunescope.core.nonlinearity import NONLINEARITIES, Activation
from prunescope.data.rule import BLOCK, Rule, draw_block

Array = NDArray[np.float64]


class Students(NamedTuple):
    """First-layer weights ``[students, K, N]`` and second-layer weights ``[students, K]``, float32 or float64."""

    w: NDArray[np.floating]
    v: NDArray[np.floating]


class Reached(NamedTuple):
    """The students after ``samples``, and the mean of half the squared errors since the stop before ``[students]``."""

    samples: int
    students: Students
    loss: Array


def learn_block(
    students: Students,
    x: NDArray[np.floating],
    y: Array,
    *,
    learning_rate: float,
    activation: Activation = "erf",
    second_layer: bool = True,
) -> tuple[Students, Array]:
    r"""Take one step of online SGD for each input of a block, one after the other.

    $w_i \leftarrow w_i - \frac{\eta}{\sqrt N} v_i\, g'(\lambda_i)\, \Delta\, x$ and $v_i \leftarrow v_i -
    \frac{\eta}{N} g(\lambda_i)\, \Delta$ with $\lambda_i = w_i \cdot x / \sqrt N$ and $\Delta = \hat y - y$. The
    fields of all inputs under the weights at the beginning are one product; the moves $m_a = \eta v g'(\lambda_a)
    \Delta_a$ of earlier steps change those of input b by $-\sum_{a<b} m_a\, (x_a \cdot x_b)/N$.

    Args:
        students: where they are.
        x: inputs ``[students, block, N]``.
        y: labels ``[students, block]``.
        learning_rate: η.
        activation: name of g.
        second_layer: whether v learns.

    Returns:
        The students after the block, and Δ at each step ``[students, block]``.

    Source: the rule of Saad and Solla, Physical Review E 52 (1995), scaled as in Goldt et al., NeurIPS 2019.
    """
    g = NONLINEARITIES[activation]
    inputs, root = x.shape[2], math.sqrt(x.shape[2])
    fields = (x @ students.w.swapaxes(1, 2) / root).astype(np.float64)
    gram = (x @ x.swapaxes(1, 2) / inputs).astype(np.float64)
    moves, gaps = np.empty_like(fields), np.empty_like(y)
    v = students.v.astype(np.float64)
    for b in range(x.shape[1]):
        field = fields[:, b] - (gram[:, b : b + 1, :b] @ moves[:, :b])[:, 0]
        value = g.value(field)
        gap = (v * value).sum(axis=1) - y[:, b]
        pull = (learning_rate * gap)[:, None]
        moves[:, b] = pull * v * g.slope(field, value)
        gaps[:, b] = gap
        if second_layer:
            v = v - pull * value / inputs
    w = students.w - (moves / root).astype(x.dtype).swapaxes(1, 2) @ x
    return Students(w, v.astype(students.v.dtype)), gaps


def learn_online(
    students: Students,
    seeds: Sequence[int],
    rule: Rule,
    *,
    learning_rate: float,
    stops: Sequence[int],
    start: int = 0,
    activation: Activation = "erf",
    second_layer: bool = True,
) -> Iterator[Reached]:
    """Yield the students at each stop; each sees the stream of inputs of its own seed, labelled by the rule.

    A student's path is bit for bit the same whoever learns beside it, and from wherever it goes on.

    Args:
        students: where they are after ``start`` samples.
        seeds: of the streams ``[students]``.
        rule: labels the inputs.
        learning_rate: η.
        stops: samples seen, rising; multiples of the block except the last.
        start: samples seen already, a multiple of the block.
        activation: name of the students' g.
        second_layer: whether v learns.

    Raises:
        PrunescopeError: for a start or stop inside a block, and for students that diverge.
    """
    inside = [stop for stop in (start, *stops[:-1]) if stop % BLOCK]
    if inside:
        raise PrunescopeError("a stop inside a block of inputs", expected=f"multiples of {BLOCK}", got=inside)
    x = np.empty((len(seeds), BLOCK, rule.w.shape[1]), dtype=np.float32)
    noise = np.empty((len(seeds), BLOCK))
    for stop in stops:
        squares, first = np.zeros(len(seeds)), start
        for block in range(start // BLOCK, -(-stop // BLOCK)):
            for student, seed in enumerate(seeds):
                x[student], noise[student] = draw_block(seed, block, x.shape[2])
            size = min(BLOCK, stop - block * BLOCK)
            seen = x[:, :size].astype(students.w.dtype, copy=False)
            labels = rule.outputs(seen) + rule.noise * noise[:, :size]
            students, gaps = learn_block(
                students,
                seen,
                labels,
                learning_rate=learning_rate,
                activation=activation,
                second_layer=second_layer,
            )
            squares += 0.5 * (gaps**2).sum(axis=1)
        start = stop
        _refuse_divergence(squares, seeds, stop)
        yield Reached(stop, students, squares / max(1, stop - first))


def log_stops(samples: int, points: int) -> tuple[int, ...]:
    """Return about ``points`` stops up to ``samples``, evenly spaced on a logarithmic axis, multiples of the block.

    Example:
        >>> log_stops(10_000, 4)
        (32, 224, 1472, 10000)
    """
    wanted = np.geomspace(min(BLOCK, samples), samples, points)[:-1]
    whole = {int(BLOCK * max(1, round(stop / BLOCK))) for stop in wanted}
    return (*sorted(stop for stop in whole if stop < samples), samples)


def _refuse_divergence(squares: Array, seeds: Sequence[int], stop: int) -> None:
    lost = [seed for seed, square in zip(seeds, squares, strict=True) if not math.isfinite(square)]
    if lost:
        got = f"seeds {lost}, before sample {stop}"
        raise PrunescopeError("online learning diverged", got=got, remedy="Lower the learning rate")
