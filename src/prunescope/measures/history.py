"""History: what was recorded of the training, epoch by epoch, and what grew back after the mask was lifted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prunescope.core.statistics import spread_within
from prunescope.measures.card import MEASURES, Card, Measure, Measurement, Quantity, Value
from prunescope.measures.subject import Populations, Subject
from prunescope.pruning.mask import prunable

Entry = Mapping[str, Any]
Array = NDArray[np.float64]
PLACES = frozenset({"stage", "kind", "epoch", "step"})
LAST = {
    f"{split}/{name}": f"{split}_{name}" for split in ("train", "validation") for name in ("accuracy", "cross_entropy")
}
NOTHING = "no training was recorded: these networks were trained elsewhere, or before stages were numbered"


class Regrown(NamedTuple):
    """What became of a tensor's pruned weights: how many there were, grew back, and their mean absolute value."""

    pruned: int
    grown: int
    size: float | None


def curves(histories: Sequence[Sequence[Entry]]) -> dict[str, Array]:
    """Return what was recorded, at the epochs where all networks recorded it.

    Args:
        histories: of each network, as ``Subject.history`` has it.

    Returns:
        ``NAME``: ``[networks, epochs]``, and ``epoch/NAME``: ``[epochs]``, the number of epochs trained by then.

    Example:
        >>> first = {"stage": 1, "kind": "train", "epoch": 0, "loss": 0.5}
        >>> curves([[first, first | {"epoch": 1, "loss": 0.25}]])["loss"]
        array([[0.5 , 0.25]])
    """
    told = [{(e["stage"], e["epoch"]): (i, e) for i, e in enumerate(_epochs(h), 1)} for h in histories]
    shared = [place for place in told[0] if all(place in own for own in told)]
    names = dict.fromkeys(name for place in shared for name in told[0][place][1] if name not in PLACES)
    found = {}
    for name in names:
        at = [place for place in shared if all(name in own[place][1] for own in told)]
        found[name] = np.array([[own[place][1][name] for place in at] for own in told], dtype=np.float64)
        found[f"epoch/{name}"] = np.array([told[0][place][0] for place in at], dtype=np.float64)
    return found


def events(history: Sequence[Entry]) -> dict[str, Array]:
    """Return after how many epochs each kind of stage without epochs took place.

    Example:
        >>> events([{"stage": 1, "kind": "prune", "sparsity": 0.5}])
        {'prune': array([0.])}
    """
    found: dict[str, list[int]] = {}
    trained = 0
    for entry in history:
        trained += "epoch" in entry
        if "stage" in entry and "epoch" not in entry:
            found.setdefault(entry["kind"], []).append(trained)
    return {kind: np.array(times, dtype=np.float64) for kind, times in found.items()}


def regrowth(history: Sequence[Entry], sizes: Mapping[str, int]) -> dict[str, Regrown]:
    """Return by tensor what grew back from zero in the training after the last regrow stage; nothing without one.

    Args:
        history: of one network, whose Trains tracked ``weights``.
        sizes: number of weights of each tensor.
    """
    stage = max((entry["stage"] for entry in history if entry.get("kind") == "regrow"), default=None)
    if stage is None:
        return {}
    before = [entry for entry in _epochs(history) if entry["stage"] < stage]
    after = [entry for entry in _epochs(history) if entry["stage"] > stage]
    last = [entry for entry in after if entry["stage"] == after[0]["stage"]][-1:]
    found = {}
    for name, size in sizes.items():
        left = next((e[f"nonzero/{name}"] for e in reversed(before) if f"nonzero/{name}" in e), None)
        if left is not None and last and f"grown/{name}" in last[0]:
            grown, mean = last[0][f"grown/{name}"], last[0].get(f"grown_size/{name}")
            found[name] = Regrown(int(size - left), int(grown), mean)
    return found


@MEASURES.register("history")
class History(Measure):
    """What a study's own training recorded: its curves, where they ended and peaked, and what grew back.

    Needs Trains with ``track``: ``train`` and ``validation`` for accuracies, ``weights`` for regrowth. Numbers are
    means over networks, with the spread over seeds. The best epoch is chosen on the validation images themselves, so
    its accuracy is a little too high.

    Cost: O(weights). No inference.
    """

    card: ClassVar[Card] = Card(
        title="Training history",
        scope="populations",
        evidence=frozenset({"state"}),
        quantities={
            **{
                f"{split}_accuracy": Quantity(
                    unit="share", better="higher", range=(0, 1), meaning=f"accuracy on the {split} images at the end"
                )
                for split in ("train", "validation")
            },
            **{
                f"{split}_cross_entropy": Quantity(
                    unit="nats", better="lower", range=(0, None), meaning=f"cross-entropy on the {split} images, same"
                )
                for split in ("train", "validation")
            },
            "best_validation_accuracy": Quantity(
                unit="share", better="higher", range=(0, 1), meaning="highest validation accuracy of any epoch"
            ),
            "best_epoch": Quantity(
                unit="count", better="neither", range=(1, None), meaning="epochs trained by then, from the beginning"
            ),
            "zeros": Quantity(
                unit="share", better="neither", range=(0, 1), meaning="share of prunable weights that are exactly zero"
            ),
            "regrown": Quantity(
                unit="count", better="neither", range=(0, None), meaning="weights that grew from zero without the mask"
            ),
            "regrown_share": Quantity(
                unit="share", better="neither", range=(0, 1), meaning="share of the pruned weights that did"
            ),
            "regrown_size": Quantity(
                unit="weight", better="neither", range=(0, None), meaning="their mean absolute value"
            ),
            "relative_size": Quantity(
                unit="ratio", better="neither", range=(0, None), meaning="the same over that of all prunable weights"
            ),
        },
        invariant_to=("network order", "example order", "class relabelling", "logit scale"),
        source="the numbers that the training loop recorded; regrowth as in a study of train, freeze, prune, regrow",
    )

    def __call__(self, shown: Populations) -> Measurement:
        """Return the ends of the curves, what grew back, and the curves as arrays."""
        networks = shown.pruned
        found = curves([network.history for network in networks])
        if not found:
            return Measurement.not_applicable(NOTHING)
        sizes = {name: weight.numel() for name, weight in prunable(networks[0].build()).items()}
        arrays = {
            name: array for name, array in found.items() if not name.removeprefix("epoch/").startswith("nonzero/")
        }
        for name, size in sizes.items():
            if f"nonzero/{name}" in found:
                arrays[f"zeros/{name}"] = 1 - found[f"nonzero/{name}"] / size
                arrays[f"epoch/zeros/{name}"] = found[f"epoch/nonzero/{name}"]
        arrays |= {f"at/{kind}": times for kind, times in events(networks[0].history).items()}
        values = [*_ends(found, len(networks)), *_zeros(networks, sizes), *_regrown(networks, sizes)]
        return Measurement(values=tuple(values), arrays=arrays)


def _ends(found: Mapping[str, Array], networks: int) -> Iterable[Value]:
    """Yield the last of each curve, and the best of the validation accuracy."""
    for name, quantity in LAST.items():
        if name in found:
            yield _over(quantity, found[name][:, -1], networks)
    if "validation/accuracy" in found:
        accuracy, epochs = found["validation/accuracy"], found["epoch/validation/accuracy"]
        yield _over("best_validation_accuracy", accuracy.max(axis=1), networks)
        best = epochs[accuracy.argmax(axis=1)]
        interval = spread_within(list(best), float(epochs[0]), float(epochs[-1]))
        yield Value.of("best_epoch", float(best.mean()), networks, interval=interval)


def _zeros(networks: Sequence[Subject], sizes: Mapping[str, int]) -> Iterable[Value]:
    zeros = {name: np.array([int((subject.state.weights[name] == 0).sum()) for subject in networks]) for name in sizes}
    total = sum(sizes.values())
    yield _over("zeros", sum(zeros.values()) / total, total)
    for name, size in sizes.items():
        yield _over("zeros", zeros[name] / size, size, item=name)


def _regrown(networks: Sequence[Subject], sizes: Mapping[str, int]) -> Iterable[Value]:
    """Yield what grew back in all networks, of the whole and of each tensor that had pruned weights in all."""
    by_network = [regrowth(subject.history, sizes) for subject in networks]
    items = {name: [name] for name in sizes if all(name in own and own[name].pruned for own in by_network)}
    for item, names in {"": list(items), **items}.items() if items else ():
        rows = [[own[name] for name in names] for own in by_network]
        pruned = np.array([sum(r.pruned for r in row) for row in rows])
        grown = np.array([sum(r.grown for r in row) for row in rows])
        n = int(pruned[0])
        yield _over("regrown", grown, n, item=item)
        yield _over("regrown_share", grown / pruned, n, item=item)
        if all(grown):
            sums = np.array([sum(r.grown * r.size for r in row if r.size is not None) for row in rows])
            size = sums / grown
            yield _over("regrown_size", size, n, item=item)
            every = [_mean_size(subject, names if item else list(sizes)) for subject in networks]
            yield _over("relative_size", size / np.array(every), n, item=item)


def _mean_size(subject: Subject, names: Sequence[str]) -> float:
    tensors = [subject.state.weights[name] for name in names]
    return float(sum(t.abs().sum() for t in tensors)) / sum(t.numel() for t in tensors)


def _over(quantity: str, numbers: Any, n: int, item: str = "") -> Value:
    """Return the mean over networks with its spread, inside the possible range; one network has none."""
    values = [float(number) for number in numbers]
    interval = spread_within(values, *History.card.quantities[quantity].range)
    return Value.of(quantity, float(np.mean(values)), n, interval=interval, item=item)


def _epochs(history: Sequence[Entry]) -> list[Entry]:
    return [entry for entry in history if "epoch" in entry and "stage" in entry]
