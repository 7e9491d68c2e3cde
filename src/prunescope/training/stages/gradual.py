"""Gradual: pruning while training."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated

from pydantic import model_validator
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.core.patterns import Patterns
from prunescope.core.schedule import DurationField, cubic_sparsity
from prunescope.core.seeds import derived_seed
from prunescope.pruning import CRITERIA, Budget, Criterion, Magnitude, Mask, State, choose
from prunescope.pruning.budget import WHOLE, Counts, Scope
from prunescope.training.learning_rate import surely_longer
from prunescope.training.running import Event
from prunescope.training.stages.prune import gather, pruned_share
from prunescope.training.stages.stage import STAGES, Context, Share, Stage
from prunescope.training.stages.targets import changeable
from prunescope.training.stages.train import Train


def event_steps(begin: int, end: int, every: int) -> tuple[int, ...]:
    """Return the steps of pruning: ``begin``, every ``every`` steps after it, and ``end`` in any case.

    Example:
        >>> event_steps(10, 25, 5), event_steps(10, 24, 5)
        ((10, 15, 20, 25), (10, 15, 20, 24))
    """
    return tuple(dict.fromkeys((*range(begin, end, every), end)))


def cubic_budget(start: Counts, step: int, begin: int, end: int, final: float, scope: Scope) -> Budget:
    """Return how many survive at ``step`` on the cubic way from what is alive at the start to ``final``.

    Of n, r of them alive at the start, ``n − round(s · n)`` survive, with s the cubic target from 1 − r/n to
    ``final``: of the whole network, or of each tensor by itself. At ``end`` s is ``final`` exactly.

    Args:
        start: ``{tensor: (alive, total)}``.
        step: of training.
        begin: where the way begins.
        end: where it ends.
        final: sparsity there.
        scope: what is counted together.

    Raises:
        PrunescopeError: when more is pruned already than ``final`` asks for.

    Example:
        >>> cubic_budget({"a": (100, 100)}, 5, begin=0, end=10, final=0.8, scope="layer").counts
        {'a': 30}
    """
    Budget.of_total(start, sparsity=final, scope=scope)
    whole = {WHOLE: (sum(alive for alive, _ in start.values()), sum(total for _, total in start.values()))}
    sizes = whole if scope == "global" else start
    targets = {name: cubic_sparsity(step, begin, end, final, 1 - alive / n) for name, (alive, n) in sizes.items()}
    return Budget(counts={name: n - round(targets[name] * n) for name, (_, n) in sizes.items()}, scope=scope)


@STAGES.register("gradual")
class Gradual(Stage):
    """Gradual magnitude pruning: training during which the sparsity rises along a cubic, then goes on under the mask.

    At the steps begin, begin + every, … and end the survivors are chosen anew among what is left:
    $s_t = s_f + (s_0 - s_f)(1 - (t - b)/(e - b))^3$ with $s_0$ the sparsity before, so nothing is removed at begin
    and exactly ``sparsity`` is reached at end. Frozen tensors and those that ``ignore`` names are not counted.

    Attributes:
        train: the whole training; it may not end early.
        begin: first event.
        end: last event, at most the end of training.
        every: between events.
        sparsity: pruned share in the end.
        criterion: chooses the survivors at each event.
        scope: ``layer`` prunes every tensor alike, ``global`` ranks all weights together.
        ignore: patterns of layers or tensors.

    Source: Zhu and Gupta, To prune, or not to prune, 2017.
    """

    train: Train
    begin: DurationField
    end: DurationField
    every: DurationField
    sparsity: Share | None = None
    criterion: Annotated[Criterion, *CRITERIA.field()] = Magnitude()
    scope: Scope = "layer"
    ignore: Patterns = ()

    @model_validator(mode="after")
    def _possible_for_some_epoch(self) -> Gradual:
        if self.train.stop is not None or self.train.goal is not None:
            raise PrunescopeError("gradual pruning runs its whole training", expected="no stop and no goal")
        if self.begin == self.end or surely_longer(self.begin, self.end):
            raise _order(self.begin, self.end)
        if surely_longer(self.end, self.train.until):
            raise _late(self.train.until, self.end)
        if not self.every.epochs and not self.every.iterations:
            raise PrunescopeError("events need a distance", expected="every ≥ 1 step", got=self.every)
        return self

    @property
    def needs_data(self) -> bool:
        """True: it looks at the training images."""
        return True

    @property
    def prunes(self) -> bool:
        """True."""
        return True

    @property
    def lacks_amount(self) -> bool:
        """Whether no sparsity is given."""
        return self.sparsity is None

    def sparsity_after(self, before: float) -> float:
        """Return the sparsity in the end."""
        if self.sparsity is None:
            raise PrunescopeError("gradual needs an amount", expected="sparsity, or levels of the recipe")
        return self.sparsity

    def __call__(self, state: State, context: Context) -> State:
        """Train, prune on the way, and return the state reached."""
        return self.train.run(state, context, self._events(state, context))

    def _events(self, state: State, context: Context) -> Mapping[int, Event]:
        per_epoch = self.train.feed(context).per_epoch
        begin, end, total = (time.steps(per_epoch) for time in (self.begin, self.end, self.train.until))
        if begin >= end:
            raise _order(begin, end)
        if end > total:
            raise _late(total, end)
        start = changeable(state, self.ignore, "gradual")
        counts = self.criterion.counts(state.load_into(context.build()), start)
        final = self.sparsity_after(pruned_share(counts))
        steps = event_steps(begin, end, self.every.steps(per_epoch))
        budgets = {step: cubic_budget(counts, step, begin, end, final, self.scope) for step in steps}
        seeds = {step: derived_seed(state.seed, "prune", self.criterion.member_name, step) for step in steps}

        def thin(step: int, net: nn.Module, mask: Mask) -> Mask:
            part = Mask({name: mask[name] for name in start})
            evidence = gather(self.criterion, net, context, seed=seeds[step], network=state.seed)
            return Mask({**mask, **choose(self.criterion, net, part, budgets[step], evidence)})

        return {step: partial(thin, step) for step in steps}


def _order(begin: object, end: object) -> PrunescopeError:
    return PrunescopeError("gradual pruning needs begin < end", got=f"begin {begin}, end {end}")


def _late(until: object, end: object) -> PrunescopeError:
    return PrunescopeError("gradual pruning ends after its training", expected=f"end ≤ {until}", got=end)
