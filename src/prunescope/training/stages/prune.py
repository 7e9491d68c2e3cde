"""Prune: a smaller mask."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.core.patterns import Patterns
from prunescope.core.seeds import derived_seed
from prunescope.pruning import CRITERIA, Budget, Criterion, Evidence, Mask, State, choose
from prunescope.pruning.budget import Counts, Scope
from prunescope.pruning.hidden import NodeCriterion
from prunescope.pruning.parity import parity_budget
from prunescope.training.stages.sampled import Sampled, SampleSize, validation_sample
from prunescope.training.stages.stage import STAGES, Context, Share, Stage
from prunescope.training.stages.targets import changeable


@STAGES.register("prune")
class Prune(Stage):
    """Shrink the mask to ``sparsity`` of all prunable weights, or remove a share of what remains.

    Frozen tensors and those that ``ignore`` names are left as they are and not counted. Criteria that remove nodes
    or filters count those.

    Attributes:
        criterion: chooses the survivors.
        sparsity: pruned share in the end.
        remove: share to remove.
        of: what ``remove`` is a share of, the ``remaining`` weights or the ``total``.
        scope: ``global`` ranks all weights together, ``layer`` each tensor by itself.
        ignore: patterns of layers or tensors.
        sample: images of the validation part that a criterion looks at; by the published rule when left out, see
            :func:`prunescope.pruning.sample.sample_size`, and at most half of them.
        parity: of a criterion that removes nodes: ``sparsity`` is that of incoming edges, and as many nodes stay as
            cost the weights that edges would leave, see :func:`prunescope.pruning.parity.parity_budget`.
        draw: number of the draw of a criterion that chooses at random.
    """

    criterion: Annotated[Criterion, *CRITERIA.field()]
    sparsity: Share | None = None
    remove: Share | None = None
    of: Literal["remaining", "total"] = "remaining"
    scope: Scope = "global"
    ignore: Patterns = ()
    sample: SampleSize = None
    parity: bool = False
    draw: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _one_amount(self) -> Prune:
        if self.sparsity is not None and self.remove is not None:
            raise PrunescopeError("two amounts to prune", expected="sparsity or remove", got="both")
        if self.parity and (self.remove is not None or not isinstance(self.criterion, NodeCriterion)):
            raise PrunescopeError("parity is of nodes with a sparsity of edges", got=self.criterion.member_name)
        return self

    @property
    def needs_data(self) -> bool:
        """Whether the criterion looks at the images themselves."""
        return self.criterion.needs_data and self.sampled is None

    @property
    def sampled(self) -> Sampled | None:
        """What the criterion takes from data whatever the amount."""
        statistic = self.criterion.statistic
        return None if statistic is None else Sampled(statistic=statistic, sample=self.sample, ignore=self.ignore)

    @property
    def prunes(self) -> bool:
        """True."""
        return True

    @property
    def lacks_amount(self) -> bool:
        """Whether neither sparsity nor share is given."""
        return self.sparsity is None and self.remove is None

    def at_draw(self, draw: int) -> Prune:
        """Return the stage with this draw."""
        return self.model_copy(update={"draw": draw}) if draw else self

    def sparsity_after(self, before: float) -> float:
        """Return the sparsity this stage leads to, before rounding to whole weights."""
        if self.sparsity is not None:
            return self.sparsity
        if self.remove is None:
            raise PrunescopeError("prune needs an amount", expected="sparsity, remove, or levels of the recipe")
        return before + self.remove * (1 - before) if self.of == "remaining" else before + self.remove

    def __call__(self, state: State, context: Context) -> State:
        """Return the state under the chosen mask."""
        draw = [self.draw] if self.draw else []  # the first is as it was before there were draws
        seed = derived_seed(state.seed, "prune", self.criterion.member_name, *draw)
        net = state.load_into(context.build())
        if context.sampled is None:
            evidence = gather(self.criterion, net, context, seed=seed, network=state.seed, size=self.sample)
        else:
            evidence = Evidence(seed=seed, stored=context.sampled)
        part = changeable(state, self.ignore, "prune")
        chosen = choose(self.criterion, net, part, self._budget(net, part), evidence)
        return state.with_mask(Mask({**state.mask, **{name: kept.cpu() for name, kept in chosen.items()}}))

    def _budget(self, net: nn.Module, part: Mask) -> Budget:
        """Return how many of what the criterion counts survive in the part of the network that may change."""
        if self.parity and isinstance(self.criterion, NodeCriterion):
            return parity_budget(part, self.criterion.hidden(net, part), sparsity=self.sparsity_after(0))
        counts = self.criterion.counts(net, part)
        if self.remove is not None and self.of == "remaining":
            return Budget.of_remaining(counts, remove=self.remove, scope=self.scope)
        return Budget.of_total(counts, sparsity=self.sparsity_after(pruned_share(counts)), scope=self.scope)


def pruned_share(counts: Counts) -> float:
    """Return the share of what is counted that is pruned."""
    return 1 - sum(alive for alive, _ in counts.values()) / sum(total for _, total in counts.values())


def gather(
    criterion: Criterion, net: nn.Module, context: Context, *, seed: int, network: int, size: int | None = None
) -> Evidence:
    """Return what a criterion may look at: images only if it asks for them, drawn with the seed of the ``network``."""
    if not criterion.needs_data:
        return Evidence(seed=seed)
    images, labels = validation_sample(net, context, size, network)
    return Evidence(seed=seed, images=images, labels=labels)
