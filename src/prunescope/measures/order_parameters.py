"""Order parameters: overlaps of students and teacher, and the exact generalisation error, before and after pruning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from prunescope.core.errors import PrunescopeError
from prunescope.core.statistics import Interval, bootstrap_interval, spread_interval
from prunescope.measures.card import MEASURES, Card, Measure, Measurement, Quantity, Value
from prunescope.measures.students import Students, ideal_errors, random_choice
from prunescope.measures.subject import Populations
from prunescope.theory import Alignment, align

Array = NDArray[np.float64]


class Aligned(NamedTuple):
    """Order parameters of one student in the block form of its parent, signs taken out."""

    q: Array
    r: Array


def in_blocks(q: Array, r: Array, parent: Alignment) -> Aligned:
    """Return Q and R with rows sorted into the blocks of ``parent`` and each student's sign taken out.

    Example:
        >>> parent = align([[1.0, 0.0], [0.0, 1.0]], [[0.0, -0.9], [0.8, 0.0]], [[1.0, 0.0], [0.0, 1.0]])
        >>> in_blocks(np.diag([0.5, 0.25]), np.array([[0.0, -0.4], [0.2, 0.0]]), parent).r.diagonal().tolist()
        [0.2, 0.4]
    """
    sign, order = parent.sign, parent.permutation
    return Aligned((q * sign[:, None] * sign)[np.ix_(order, order)], (r * sign[:, None])[order])


def overlaps(form: Aligned, teacher: NDArray[np.int64]) -> dict[str, float]:
    """Return the mean overlaps inside and across blocks; those of blocks that are not there are left out.

    Args:
        form: in block form.
        teacher: of each row ``[K]``.
    """
    same, self_ = teacher[:, None] == teacher, np.eye(len(teacher), dtype=bool)
    own = teacher[:, None] == np.arange(form.r.shape[1])
    parts = {
        "self_overlap": form.q[self_],
        "block_overlap": form.q[same & ~self_],
        "cross_overlap": form.q[~same],
        "teacher_overlap": form.r[own],
        "other_overlap": form.r[~own],
    }
    return {name: float(values.mean()) for name, values in parts.items() if values.size}


def between(values: Array, seeds: Sequence[int], least: float = -np.inf) -> tuple[float, Interval | None]:
    """Return the mean over students of their means over masks, and its 95 % interval, cut at the ``least`` value.

    Several students: Student's t of their means, which carries the spread over masks and over students. One student
    with several masks: the bootstrap over its masks. One number: no interval.
    """
    each = [values[np.asarray(seeds) == seed] for seed in dict.fromkeys(seeds)]
    means = [float(of_one.mean()) for of_one in each]
    if len(means) > 1:
        low, high = spread_interval(means)
        return float(np.mean(means)), Interval(max(low, least), high)
    return means[0], bootstrap_interval(each[0]) if len(each[0]) > 1 else None


@MEASURES.register("order_parameters")
class OrderParametersOfStudents(Measure):
    r"""Q, R and T of students and their teacher, and the exact generalisation error, for `committee` on `teacher` data.

    $Q_{ik} = w_i \cdot w_k / N$, $R_{in} = w_i \cdot w^*_n / N$. Students are sorted into the blocks of their teacher
    nodes by the optimal assignment of the student before pruning; pruned ones keep that order. The error is
    $\frac12 E(\hat y - y)^2$, σ²/2 included. Its floor is the expected error of a random choice of as many edges
    (or nodes) of the same students, without retraining or reweighting.

    Attributes:
        threshold: least cosine to a teacher node of a student node that has converged.
    """

    card: ClassVar[Card] = Card(
        title="Order parameters",
        scope="populations",
        evidence=frozenset({"state"}),
        draws=True,
        quantities={
            "error": Quantity(
                unit="½Δ²", better="lower", range=(0, None), meaning="generalisation error; floor: random choice"
            ),
            "rise": Quantity(
                unit="½Δ²",
                better="lower",
                range=(None, None),
                meaning="generalisation error − before pruning",
                neutral=0.0,
            ),
            "ideal": Quantity(
                unit="½Δ²",
                better="neither",
                range=(0, None),
                meaning="closed form for a converged student at this budget",
            ),
            "kept": Quantity(unit="share", better="neither", range=(0, 1), meaning="weights kept, of both layers"),
            "self_overlap": Quantity(unit="overlap", better="neither", range=(0, None), meaning="mean Q_ii"),
            "block_overlap": Quantity(
                unit="overlap", better="neither", range=(None, None), meaning="mean Q_ik of two students of one teacher"
            ),
            "cross_overlap": Quantity(
                unit="overlap", better="neither", range=(None, None), meaning="mean Q_ik across blocks"
            ),
            "teacher_overlap": Quantity(
                unit="overlap",
                better="neither",
                range=(None, None),
                meaning="mean R of a student and its own teacher",
            ),
            "other_overlap": Quantity(
                unit="overlap", better="neither", range=(None, None), meaning="mean R of a student and other teachers"
            ),
            "unconverged": Quantity(
                unit="count", better="lower", range=(0, None), meaning="student nodes without a teacher, before pruning"
            ),
        },
        invariant_to=("network order",),
        source="Saad and Solla, Physical Review E 52 (1995); Acharyya et al., UAI 2021",
    )

    threshold: Annotated[float, Field(gt=0, le=1)] = 0.7

    def __call__(self, shown: Populations) -> Measurement:
        """Measure the pruned students against those they come from."""
        try:
            before, after = Students.of(shown.dense), Students.of(shown.pruned)
        except PrunescopeError as error:
            return Measurement.not_applicable(f"{error.problem}: {error.got}")
        seeds = [subject.seed for subject in shown.pruned]
        whole, left = before.order_parameters(), after.order_parameters()
        alignments = [align(q, r, whole.t, self.threshold) for q, r in zip(whole.q, whole.r, strict=True)]
        forms = [in_blocks(*pair) for pair in zip(left.q, left.r, alignments, strict=True)]
        parts = [overlaps(form, a.teacher[a.permutation]) for form, a in zip(forms, alignments, strict=True)]
        lost = [int((~a.converged).sum()) for a in alignments]
        values = _errors(before, after, seeds)
        for name in parts[0]:
            values.append(_value(name, [part[name] for part in parts], seeds))
        values.append(_value("unconverged", lost, seeds))
        return Measurement(
            values=tuple(values),
            arrays={
                "q": np.mean([form.q for form in forms], axis=0),
                "r": np.mean([form.r for form in forms], axis=0),
                "t": left.t,
                "errors": after.errors(),
                "seeds": np.array(seeds),
            },
            notes=_notes(lost, seeds),
        )


def _errors(before: Students, after: Students, seeds: Sequence[int]) -> list[Value]:
    errors = after.errors()
    values = [_value("rise", errors - before.errors(), seeds), _value("kept", after.share, seeds)]
    values += [Value(quantity="ideal", value=e, n=len(errors), item=name) for name, e in ideal_errors(after).items()]
    for seed in dict.fromkeys(seeds):
        own = errors[np.array(seeds) == seed]
        mean, interval = between(own, [seed] * len(own), 0.0)
        values.append(Value.of("error", mean, len(own), interval=interval, seed=seed))
    floor = None
    if after.share.max() < 1:
        value, interval = between(random_choice(before, after), seeds, 0.0)
        floor = (value, *(interval or (value, value)))
    mean, interval = between(errors, seeds, 0.0)
    return [Value.of("error", mean, len(errors), interval=interval, floor=floor), *values]


def _value(name: str, numbers: ArrayLike, seeds: Sequence[int]) -> Value:
    mean, interval = between(np.asarray(numbers, dtype=np.float64), seeds)
    return Value.of(name, mean, len(seeds), interval=interval)


def _notes(lost: Sequence[int], seeds: Sequence[int]) -> tuple[str, ...]:
    told = [f"{count} of seed {seed}" for seed, count in dict(zip(seeds, lost, strict=True)).items() if count]
    return (f"student nodes without a teacher before pruning: {', '.join(told)}",) if told else ()
