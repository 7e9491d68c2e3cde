"""Learning curve: students that learned online beside the differential equations of their order parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prunescope.core.errors import PrunescopeError
from prunescope.measures.card import MEASURES, Card, Measure, Measurement, Quantity, Value
from prunescope.measures.order_parameters import between
from prunescope.measures.students import SECOND, Students
from prunescope.measures.subject import Populations
from prunescope.theory import Trajectory, generalization_errors, learning_dynamics

Array = NDArray[np.float64]


class Recorded(NamedTuple):
    """What one student recorded stop by stop: time is samples / N."""

    time: Array
    """``[stops]``"""
    q: Array
    """``[stops, K, K]``"""
    r: Array
    """``[stops, K, M]``"""
    v: Array
    """``[stops, K]``"""


def recorded(history: Sequence[Mapping[str, Any]], inputs: int, nodes: int, teachers: int) -> Recorded:
    """Read the order parameters that the stage ``online`` left: ``Q[i,k]`` for i ≤ k, ``R[i,n]`` and ``v[i]``."""
    q, every, others = np.empty((len(history), nodes, nodes)), range(nodes), range(teachers)
    for i in every:
        for k in range(i, nodes):
            q[:, i, k] = q[:, k, i] = [entry[f"Q[{i},{k}]"] for entry in history]
    r = np.array([[[entry[f"R[{i},{n}]"] for n in others] for i in every] for entry in history])
    v = np.array([[entry[f"v[{i}]"] for i in every] for entry in history])
    return Recorded(np.array([entry["step"] / inputs for entry in history]), q, r, v)


@MEASURES.register("learning_curve")
class LearningCurve(Measure):
    """Generalisation error along online learning, and the equations of infinite N from each student's first stop on.

    Students fluctuate around the equations by about 1/√N; where they leave a plateau, small differences grow.
    """

    card: ClassVar[Card] = Card(
        title="Learning curve",
        scope="populations",
        evidence=frozenset({"state"}),
        dense=True,
        quantities={
            "error": Quantity(
                unit="½Δ²", better="lower", range=(0, None), meaning="generalisation error at the end of learning"
            ),
            "theory": Quantity(
                unit="½Δ²", better="neither", range=(0, None), meaning="what the differential equations end at"
            ),
            "deviation": Quantity(
                unit="overlap",
                better="lower",
                range=(0, None),
                meaning="mean distance of Q and R from the equations, over stops; floor: 1/√N",
            ),
        },
        invariant_to=("network order",),
        source="Saad and Solla, Physical Review E 52 (1995); Goldt et al., NeurIPS 2019",
    )

    def __call__(self, shown: Populations) -> Measurement:
        """Compare the students, as they are when online learning ends, with theory."""
        lives = [subject.history for subject in shown.pruned]
        if not all(life and life[-1].get("kind") == "online" for life in lives):
            return Measurement.not_applicable("learning curves are those of networks that just learned online")
        try:
            students = Students.of(shown.pruned)
            _, nodes, inputs = students.w.shape
            stages = [[entry for entry in life if entry["stage"] == life[-1]["stage"]] for life in lives]
            paths = [recorded(stage, inputs, nodes, len(students.rule.v)) for stage in stages]
            learns, rate = SECOND not in shown.pruned[0].state.frozen, float(lives[0][-1]["lr"])
            theory = [_theory(path, students, rate, learns) for path in paths]
        except PrunescopeError as error:
            return Measurement.not_applicable(f"{error.problem}: {error.got}")
        return _measured(paths, theory, students, [subject.seed for subject in shown.pruned])


def _theory(path: Recorded, students: Students, rate: float, learns: bool) -> Trajectory:
    """Integrate the equations from the first stop."""
    t = students.order_parameters().t
    return learning_dynamics(
        path.q[0],
        path.r[0],
        t,
        path.v[0],
        students.rule.v,
        learning_rate=rate,
        times=path.time - path.time[0],
        noise=students.rule.noise,
        train_second_layer=learns,
    )


def _measured(
    paths: Sequence[Recorded], theory: Sequence[Trajectory], students: Students, seeds: Sequence[int]
) -> Measurement:
    t, rule, offset = students.order_parameters().t, students.rule, 0.5 * students.rule.noise**2
    errors = np.array([generalization_errors(p.q, p.r, t, p.v, rule.v, rule.noise) for p in paths])
    expected = np.array([path.error for path in theory]) + offset
    gaps = [
        np.mean([np.abs(a.q - b.q).mean(axis=(1, 2)), np.abs(a.r - b.r).mean(axis=(1, 2))])
        for a, b in zip(paths, theory, strict=True)
    ]
    values = []
    for name, numbers in (("error", errors[:, -1]), ("theory", expected[:, -1]), ("deviation", np.array(gaps))):
        mean, interval = between(numbers, seeds, 0.0)
        floor = (1 / np.sqrt(students.w.shape[2]),) * 3 if name == "deviation" else None
        values.append(Value.of(name, mean, len(seeds), interval=interval, floor=floor))
    arrays = {"time": paths[0].time, "errors": errors, "theory": expected, "seeds": np.array(seeds)}
    return Measurement(values=tuple(values), arrays=arrays)
