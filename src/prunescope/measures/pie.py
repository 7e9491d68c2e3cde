"""Pruning-identified exemplars: examples on which the vote of the pruned population is another class."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunescope.core.errors import PrunescopeError
from prunescope.core.statistics import (
    benjamini_hochberg,
    bootstrap_weights,
    centred_interval,
    halves,
    percentile_interval,
)
from prunescope.measures.card import MEASURES, Card, Measure, Measurement, Quantity, Value
from prunescope.measures.groups import mean_share
from prunescope.measures.subject import Populations, Subject
from prunescope.measures.votes import Array, Labels, ballots, checked_votes, elected, modal_labels, summed_probabilities

Flags = NDArray[np.bool_]
RESAMPLES = 500
FEW_NETWORKS = 10


def pie(
    dense: ArrayLike,
    pruned: ArrayLike,
    *,
    dense_probabilities: ArrayLike | None = None,
    pruned_probabilities: ArrayLike | None = None,
) -> Flags:
    r"""Return which examples are pruning-identified exemplars: the modal labels of the two populations differ.

    $\text{PIE}_i = [\operatorname{mode}_j\, \hat y^\text{dense}_{ji} \ne \operatorname{mode}_j\,
    \hat y^\text{pruned}_{ji}]$. True labels play no part. A tied vote goes to the class with the largest
    probability summed over the networks if probabilities are given, else to the lowest class.

    Args:
        dense: predicted classes ``[networks, examples]``.
        pruned: the same, from as many networks.
        dense_probabilities: ``[networks, examples, classes]``, or summed over networks ``[examples, classes]``.
        pruned_probabilities: the same of the pruned networks.

    Returns:
        bool ``[examples]``.

    Raises:
        PrunescopeError: for populations of other shapes, labels that are no whole numbers, or probabilities that do
            not fit.

    Source: Hooker et al., What Do Compressed Deep Neural Networks Forget?, arXiv 1911.05248 (2019).

    Example:
        >>> pie([[0, 1, 2], [0, 1, 2], [0, 0, 1]], [[0, 0, 2], [0, 0, 2], [1, 1, 2]]).tolist()
        [False, True, False]
    """
    left, right = checked_votes(dense, "dense"), checked_votes(pruned, "pruned")
    if left.shape != right.shape:
        raise PrunescopeError("populations differ in shape", expected=left.shape, got=right.shape, where="pie")
    before, after = modal_labels(left, dense_probabilities), modal_labels(right, pruned_probabilities)
    return np.asarray(before.label != after.label)


def dense_floor(predictions: ArrayLike, probabilities: ArrayLike | None = None, *, seed: int = 0) -> Array:
    """Return the PIE rate of one half of a dense population against the other half, ``[splits]``.

    All splits when there are at most 126 (up to 10 networks), else 126 random ones. Halves are smaller and noisier
    than whole populations, so the floor is rather too high than too low.

    Args:
        predictions: classes ``[networks, examples]``, at least two networks.
        probabilities: ``[networks, examples, classes]`` to break ties; without them ties go to the lowest class.
        seed: of the random splits.

    Raises:
        PrunescopeError: for fewer than two networks, and as :func:`pie`.

    Example:
        >>> dense_floor([[0, 1], [0, 1], [0, 2], [0, 2]]).tolist()
        [0.5, 0.0, 0.0]
    """
    votes = checked_votes(predictions)
    table = None if probabilities is None else np.asarray(probabilities, dtype=np.float64)
    if table is not None:
        summed_probabilities(table, votes)
        if table.ndim != 3:
            raise PrunescopeError("halves need the probabilities of each network", expected="3 axes", got=table.ndim)
    return np.asarray(_split_flags(votes, table, seed).mean(axis=1))


def _split_flags(votes: Labels, probabilities: Array | None, seed: int = 0) -> Flags:
    """Return whether two halves of one population vote differently, ``[splits, examples]``."""
    first = halves(len(votes), seed=seed).astype(np.float64)
    contested = (votes != votes[0]).any(axis=0)
    flags = np.zeros((len(first), votes.shape[1]), dtype=bool)
    if contested.any():
        cast = ballots(votes[:, contested], None if probabilities is None else probabilities[:, contested])
        flags[:, contested] = elected(first, cast) != elected(1 - first, cast)
    return flags


class _Population(NamedTuple):
    """Votes ``[networks, examples]`` and probabilities ``[networks, examples, classes]`` of some networks."""

    votes: Labels
    probabilities: Array

    def at(self, examples: Flags) -> Array:
        """Return the ballots on some examples."""
        return ballots(self.votes[:, examples], self.probabilities[:, examples])


class _Draws(NamedTuple):
    """Bootstrap draws: rate and excess ``[resamples]``, weights of PIEs and of all examples by class."""

    rate: Array
    excess: Array
    hits: Array
    sizes: Array


def _bootstrap(dense: _Population, pruned: _Population, flags: Flags, split: Flags, labels: Labels) -> _Draws:
    """Resample pairs of networks and examples together.

    Where both populations are unanimous no draw of networks changes the flag, so only the contested examples are
    voted on again, and the others are drawn as one cell for each class and flag.
    """
    rng = np.random.default_rng(0)
    counts = np.rint(bootstrap_weights(len(dense.votes), RESAMPLES, rng) * len(dense.votes))
    contested = (dense.votes != dense.votes[0]).any(axis=0) | (pruned.votes != pruned.votes[0]).any(axis=0)
    settled = np.stack([labels[~contested], flags[~contested]], axis=1)
    kinds, sizes = np.unique(settled, axis=0, return_counts=True)
    chances = np.concatenate([np.ones(contested.sum()), sizes]) / len(labels)
    weights = rng.multinomial(len(labels), chances, size=RESAMPLES) / len(labels)
    # Single precision is enough to count: whole numbers to 30, and fractions of a vote that only break ties.
    cast = (side.at(contested).astype(np.float32) for side in (dense, pruned))
    before, after = (elected(counts.astype(np.float32), ballots) for ballots in cast)
    again = before != after
    marked = np.concatenate([again, np.broadcast_to(kinds[:, 1] == 1, (RESAMPLES, len(kinds)))], axis=1) * weights
    null = np.concatenate([split[:, contested].mean(axis=0), np.zeros(len(kinds))])
    member = np.concatenate([labels[contested], kinds[:, 0]])[:, None] == np.unique(labels)
    rate = marked.sum(axis=1)
    return _Draws(rate, rate - weights @ null, marked @ member, weights @ member)


@MEASURES.register("pie")
class Pie(Measure):
    """Pruning-identified exemplars: test examples whose modal label over the networks changes by pruning.

    The floor is the rate at which one half of the dense networks disagrees with the other half, with the range
    over the splits; the excess is the rate above the mean floor. By class: the share of the class's examples that are
    PIEs, with Fisher's exact test against all other classes, corrected after Benjamini and Hochberg. The accuracies
    (mean over networks) are those on PIEs, on all others, and on a random sample of as many examples.

    Cost: 0.5 s for 30 + 30 networks on 10 000 examples.
    """

    card: ClassVar[Card] = Card(
        title="Pruning-identified exemplars",
        scope="populations",
        evidence=frozenset({"logits"}),
        quantities={
            "rate": Quantity(
                unit="share",
                better="lower",
                range=(0, 1),
                neutral=0,
                meaning="share of examples whose modal label differs between the dense and the pruned networks",
            ),
            "count": Quantity(unit="count", better="lower", range=(0, None), neutral=0, meaning="number of PIEs"),
            "excess": Quantity(
                unit="share", better="lower", range=(-1, 1), meaning="rate minus the mean dense-against-dense rate"
            ),
            "ties": Quantity(
                unit="count",
                better="neither",
                range=(0, None),
                meaning="examples with a tied vote in either population, broken by summed probability",
            ),
            "dense_accuracy": Quantity(
                unit="share", better="neither", range=(0, 1), meaning="accuracy of the dense networks on a subset"
            ),
            "pruned_accuracy": Quantity(
                unit="share", better="neither", range=(0, 1), meaning="accuracy of the pruned networks on a subset"
            ),
        },
        invariant_to=("network order", "example order", "class relabelling"),
        ties="the largest summed probability, then the lowest class; counted",
        source="Hooker et al., What Do Compressed Deep Neural Networks Forget?, arXiv 1911.05248 (2019)",
    )

    def __call__(self, shown: Populations) -> Measurement:
        """Return rate, excess, classes and accuracies, and the votes on each example as arrays."""
        networks = len(shown.dense)
        if networks < 2:
            return Measurement.not_applicable("the modal label of one network is its prediction: PIE needs populations")
        dense, pruned = (
            _Population(v, _probabilities(s))
            for v, s in zip(shown.predictions, (shown.dense, shown.pruned), strict=True)
        )
        before, after = modal_labels(*dense), modal_labels(*pruned)
        flags, split = np.asarray(before.label != after.label), _split_flags(*dense)
        draws = _bootstrap(dense, pruned, flags, split, shown.labels)
        values = _whole(flags, split, draws, int((before.tied | after.tied).sum()))
        values += _by_class(flags, split, draws, shown)
        values += _accuracies(flags, shown)
        arrays = {
            "pie": flags,
            "dense_vote": before.label,
            "pruned_vote": after.label,
            "dense_share": before.share,
            "pruned_share": after.share,
        }
        return Measurement(values=tuple(values), arrays=arrays, notes=_notes(networks))


def _probabilities(subjects: tuple[Subject, ...]) -> Array:
    return np.stack([subject.probabilities.numpy() for subject in subjects])


def _whole(flags: Flags, split: Flags, draws: _Draws, ties: int) -> list[Value]:
    """Return rate, count, excess and ties over all examples."""
    n, rate, nulls = len(flags), float(flags.mean()), split.mean(axis=1)
    interval = centred_interval(draws.rate, rate, low=0, high=1)
    floor = (float(nulls.mean()), *percentile_interval(nulls))
    excess = rate - floor[0]
    return [
        Value.of("rate", rate, n, interval=interval, floor=floor),
        Value.of("count", float(flags.sum()), n, interval=interval, floor=floor, scale=n),
        Value.of("excess", excess, n, interval=centred_interval(draws.excess, excess, low=-1, high=1)),
        Value.of("ties", float(ties), n),
    ]


def _by_class(flags: Flags, split: Flags, draws: _Draws, shown: Populations) -> list[Value]:
    """Return the rate in each class that has examples, tested against all other classes."""
    from scipy.stats import fisher_exact  # slow to import

    labels, found = shown.labels, int(flags.sum())
    present, sizes = np.unique(labels, return_counts=True)
    hits = [int(flags[labels == label].sum()) for label in present]
    tests = [
        fisher_exact(np.array([[hit, size - hit], [found - hit, len(labels) - size - found + hit]])).pvalue
        for hit, size in zip(hits, sizes, strict=True)
    ]
    values = []
    for index, p in enumerate(benjamini_hochberg(tests)):
        drawn, rate, inside = draws.sizes[:, index] > 0, hits[index] / int(sizes[index]), labels == present[index]
        shares = draws.hits[drawn, index] / draws.sizes[drawn, index]
        nulls = split[:, inside].mean(axis=1)
        floor = (float(nulls.mean()), *percentile_interval(nulls))
        interval = centred_interval(shares, rate, low=0, high=1)
        item = shown.classes[present[index]]
        values.append(Value.of("rate", rate, int(sizes[index]), interval=interval, floor=floor, item=item, p=float(p)))
    return values


def _accuracies(flags: Flags, shown: Populations) -> list[Value]:
    """Return the accuracy of both populations on PIEs, on the others, and on as many random examples."""
    chosen = np.zeros_like(flags)
    chosen[np.random.default_rng(0).choice(len(flags), size=int(flags.sum()), replace=False)] = True
    values = []
    for item, part in (("PIE", flags), ("not PIE", ~flags), ("random", chosen)):
        for quantity, predicted in zip(("dense_accuracy", "pruned_accuracy"), shown.predictions, strict=True):
            if part.any():
                values.append(mean_share(quantity, (predicted == shown.labels)[:, part], item))
    return values


def _notes(networks: int) -> tuple[str, ...]:
    """Return what a reader must know of these populations."""
    notes = (
        "the pruned networks descend from the dense ones they are compared with, so the populations are dependent",
        "the floor compares halves of the dense population, smaller and noisier than the whole: it is conservative",
    )
    few = f"{networks} networks make a noisy modal label; the source uses 30"
    return (*notes, few) if networks < FEW_NETWORKS else notes
