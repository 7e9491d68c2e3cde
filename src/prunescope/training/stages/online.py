"""Online: a two-layer student learns a teacher's rule from a stream of inputs, each seen once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.core.nonlinearity import Activation
from prunescope.core.seeds import derived_seed
from prunescope.data import Teacher
from prunescope.data.rule import Rule
from prunescope.models.committee import CommitteeNet
from prunescope.pruning import State
from prunescope.training.online import Students, learn_online, log_stops
from prunescope.training.optimizers import Positive
from prunescope.training.running import Epoch
from prunescope.training.stages.stage import STAGES, Context, Likeness, Stage

FIRST, SECOND = "hidden.weight", "output.weight"


@STAGES.register("online")
class Online(Stage):
    r"""Online SGD of a ``committee`` on the data ``teacher``, scaled so that learning takes a number of samples ~ N.

    $w_i \leftarrow w_i - \frac{\eta}{\sqrt N} v_i\, g'(\lambda_i)\, \Delta\, x$ and
    $v_i \leftarrow v_i - \frac{\eta}{N} g(\lambda_i)\, \Delta$; v stays where ``output`` is frozen. Every student has a
    stream of inputs of its own, drawn from its seed. Order parameters are recorded at stops spaced evenly on a
    logarithmic axis, as ``Q[i,k]``, ``R[i,n]`` and ``v[i]``; the loss is the mean of half the squared errors between
    two stops.

    Attributes:
        samples: seen in all.
        lr: η.
        stops: how many, about.

    Source: Saad and Solla, Physical Review E 52 (1995); Goldt et al., NeurIPS 2019; Acharyya et al., UAI 2021.
    """

    samples: Annotated[int, Field(ge=1)]
    lr: Positive = 0.5
    stops: Annotated[int, Field(ge=2)] = 30

    def __call__(self, state: State, context: Context) -> State:
        """Return the student after its samples."""
        return self.together([state], [context])[0]

    @property
    def takes_siblings(self) -> Likeness:
        """Bit for bit."""
        return "exact"

    def together(self, states: Sequence[State], contexts: Sequence[Context], *, measured: bool = False) -> list[State]:
        """Return what each student alone would reach, bit for bit, with all of them learning at once.

        Raises:
            PrunescopeError: for data without a teacher, another network than a committee with one output, one that is
                pruned or whose first layer is frozen, and for divergence.
        """
        rule = Teacher.of(contexts[0].rule).network()
        starts = [state if c.resume is None else c.resume for state, c in zip(states, contexts, strict=True)]
        if len({start.step for start in starts}) > 1:  # cut off at different stops
            return [self(state, context) for state, context in zip(states, contexts, strict=True)]
        activation = _checked(contexts[0].build(), starts[0], rule)
        reached = starts
        paths = learn_online(
            Students(
                np.stack([start.weights[FIRST].numpy() for start in starts]),
                np.stack([start.weights[SECOND][0].numpy() for start in starts]),
            ),
            [derived_seed(state.seed, "online") for state in states],
            rule,
            learning_rate=self.lr,
            start=starts[0].step,
            stops=[stop for stop in log_stops(self.samples, self.stops) if stop > starts[0].step],
            activation=activation,
            second_layer=SECOND not in starts[0].frozen,
        )
        for samples, students, losses in paths:
            reached = [_reached(start, students, index, samples) for index, start in enumerate(starts)]
            for index, context in enumerate(contexts):
                epoch = self._told(reached[index], rule, float(losses[index]))
                for callback in context.callbacks:
                    callback(epoch)
        return [replace(state, step=0) for state in reached]

    def _told(self, state: State, rule: Rule, loss: float) -> Epoch:
        """Return what callbacks see at a stop: the order parameters."""
        w, inputs = state.weights[FIRST].numpy().astype(np.float64), rule.w.shape[1]
        q, r = w @ w.T / inputs, w @ rule.w.T / inputs
        upper = zip(*np.triu_indices(len(q)), strict=True)
        measured = {f"Q[{i},{k}]": float(q[i, k]) for i, k in upper}
        measured |= {f"R[{i},{n}]": float(value) for (i, n), value in np.ndenumerate(r)}
        measured |= {f"v[{i}]": float(value) for i, value in enumerate(state.weights[SECOND][0])}
        number = log_stops(self.samples, self.stops).index(state.step)
        return Epoch(
            number=number,
            step=state.step,
            loss=loss,
            lr=self.lr,
            sparsity=state.mask.sparsity,
            measured=measured,
            state=lambda: state,
        )


def _checked(net: nn.Module, state: State, rule: Rule) -> Activation:
    """Return the student's nonlinearity if it can learn online from this rule."""
    if not isinstance(net, CommitteeNet) or net.output.out_features != 1:
        raise PrunescopeError("online learning is that of a committee machine", expected="committee", got=type(net))
    if net.hidden.in_features != rule.w.shape[1]:
        raise PrunescopeError("student and teacher differ in inputs", expected=rule.w.shape[1], got=net.hidden)
    if state.mask.sparsity or FIRST in state.frozen:
        got = f"sparsity {state.mask.sparsity:g}, frozen {sorted(state.frozen)}"
        raise PrunescopeError("online learning is that of a whole first layer", got=got, remedy="Use the stage train")
    return net.nonlinearity


def _reached(start: State, students: Students, index: int, samples: int) -> State:
    w, v = (torch.from_numpy(part[index].copy()) for part in students)
    return replace(start, weights={**start.weights, FIRST: w, SECOND: v[None]}, step=samples)
