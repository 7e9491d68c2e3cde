"""Prune: a smaller mask."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import model_validator

from prunescope.core.errors import PrunescopeError
from prunescope.core.seeds import derived_seed
from prunescope.pruning import CRITERIA, Budget, Criterion, Evidence, Mask, State, choose
from prunescope.pruning.budget import Counts, Scope
from prunescope.training.stages.stage import STAGES, Context, Share, Stage
from prunescope.training.stages.targets import Patterns, changeable


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
    """

    criterion: Annotated[Criterion, *CRITERIA.field()]
    sparsity: Share | None = None
    remove: Share | None = None
    of: Literal["remaining", "total"] = "remaining"
    scope: Scope = "global"
    ignore: Patterns = ()

    @model_validator(mode="after")
    def _one_amount(self) -> Prune:
        if self.sparsity is not None and self.remove is not None:
            raise PrunescopeError("two amounts to prune", expected="sparsity or remove", got="both")
        return self

    @property
    def needs_data(self) -> bool:
        """Whether the criterion looks at images."""
        return self.criterion.needs_data

    @property
    def prunes(self) -> bool:
        """True."""
        return True

    @property
    def lacks_amount(self) -> bool:
        """Whether neither sparsity nor share is given."""
        return self.sparsity is None and self.remove is None

    def sparsity_after(self, before: float) -> float:
        """Return the sparsity this stage leads to, before rounding to whole weights."""
        if self.sparsity is not None:
            return self.sparsity
        if self.remove is None:
            raise PrunescopeError("prune needs an amount", expected="sparsity, remove, or levels of the recipe")
        return before + self.remove * (1 - before) if self.of == "remaining" else before + self.remove

    def __call__(self, state: State, context: Context) -> State:
        """Return the state under the chosen mask."""
        seed = derived_seed(state.seed, "prune", self.criterion.member_name)
        evidence = gather(self.criterion, seed, context)
        net = state.load_into(context.build())
        if evidence.images is not None:
            net.to(evidence.images.device)
        part = changeable(state, self.ignore, "prune")
        counts = self.criterion.counts(net, part)
        if self.remove is not None and self.of == "remaining":
            budget = Budget.of_remaining(counts, remove=self.remove, scope=self.scope)
        else:
            budget = Budget.of_total(counts, sparsity=self.sparsity_after(pruned_share(counts)), scope=self.scope)
        chosen = choose(self.criterion, net, part, budget, evidence)
        return state.with_mask(Mask({**state.mask, **{name: kept.cpu() for name, kept in chosen.items()}}))


def pruned_share(counts: Counts) -> float:
    """Return the share of what is counted that is pruned."""
    return 1 - sum(alive for alive, _ in counts.values()) / sum(total for _, total in counts.values())


def gather(criterion: Criterion, seed: int, context: Context) -> Evidence:
    """Return what a criterion may look at: images only if it asks for them."""
    if not criterion.needs_data:
        return Evidence(seed=seed)
    sample = context.split("validation")
    return Evidence(seed=seed, images=context.normalization(sample.images), labels=sample.labels)
