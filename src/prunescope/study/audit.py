"""Audit: what pruning did to somebody's network, from its checkpoints or modules alone."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import yaml
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.measures import Verdict, judge
from prunescope.models import Model
from prunescope.reporting import Material, render
from prunescope.study.artefacts import AT_HAND
from prunescope.study.audit_plan import AuditPlanner, Level
from prunescope.study.audit_table import audit_table
from prunescope.study.battery import Battery, choose, read_budget
from prunescope.study.files import write_atomically
from prunescope.study.measuring import Planned
from prunescope.study.networks import (
    Given,
    Network,
    by_name,
    numbered,
    outputs_of,
    read_network,
    resolve_model,
    take_network,
)
from prunescope.study.node import Node
from prunescope.study.report import gather_found, told_spec
from prunescope.study.run import Listener, Summary, carry_out, default_store, needed, pick_device, rows_of
from prunescope.study.runners import Event, Inline
from prunescope.study.sight import Sight, look
from prunescope.study.store import Store
from prunescope.training.recipe import DENSE

if TYPE_CHECKING:
    import pandas as pd

PAGE, TABLE, VERDICT = "report.html", "results.csv", "verdict.json"


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What an audit found.

    Attributes:
        table: one row a number: ``net, measure, value, n, low, high``; see :func:`audit`.
        results: the same and more as tidy rows, one for each value of each measurement.
        verdict: which promises the pruned networks keep.
        notes: how the networks were read, and what the measures say a reader must know.
        summary: what was computed and what was in the store.
        material: everything the page tells.
    """

    table: pd.DataFrame
    verdict: Verdict
    notes: tuple[str, ...]
    summary: Summary
    material: Material

    @property
    def results(self) -> pd.DataFrame:
        """Tidy rows of every measurement."""
        return self.material.table

    def to_html(self, path: str | Path) -> Path:
        """Write the page as one self-contained file and return its path."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, render(self.material).encode())
        return target

    def write(self, folder: str | Path) -> Path:
        """Write ``report.html``, ``results.csv`` and ``verdict.json`` into a folder; return the page's path."""
        place = Path(folder)
        page = self.to_html(place / PAGE)
        write_atomically(place / TABLE, self.table.to_csv(index=False).encode())
        told = {"kept": self.verdict.kept, "default_budget": self.material.default_budget, "sentence": str(self)}
        judged = self.verdict.canonical(complete=True)
        text = json.dumps({**told, **judged, "notes": list(self.notes)}, indent=2, ensure_ascii=False)
        write_atomically(place / VERDICT, text.encode())
        return page

    def __str__(self) -> str:
        """Tell the verdict in words, one line for each recipe."""
        return "\n".join(recipe.sentence() for recipe in self.verdict.recipes)

    def _repr_html_(self) -> str:
        whole = self.table[~self.table["measure"].str.contains("[/@]")]
        lines = "<br>".join(escape(line) for line in str(self).splitlines())
        return f"<p><b>{lines}</b></p>{whole.to_html(index=False, na_rep='', float_format='{:.4g}'.format)}"


def audit(
    dense: Given | Sequence[Given],
    pruned: Given | Sequence[Given] | Mapping[str, Given | Sequence[Given]],
    data: Any,
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    measures: Iterable[object] | None = None,
    budget: object = None,
    model: str | None = None,
    resize: int | None = None,
    limit: int | None = None,
    classes: Sequence[str] | None = None,
    trust: bool = False,
    store: str | Path | None = None,
    device: str = "auto",
    listen: Listener | None = None,
) -> Audit:
    """Compare pruned networks with the dense one they come from.

    Networks in files are measured once: what an earlier audit left in the store is not computed again. Modules in
    memory are copied and measured afresh. With several dense networks (other seeds), each pruned one is a sequence of
    as many, in the same order.

    Rows of ``table`` are named by quantity (``accuracy``, ``drop``, ``flips``, ``lost``, ``won``, ``agreement``,
    ``sparsity``, ``multiply_adds``, …), those of other measures ``measure.quantity``; ``/item`` is a class or layer,
    ``@view`` a shifted view.

    Args:
        dense: a module, a checkpoint file, or several of other seeds.
        pruned: the same, several, or by name.
        data: a registered name, ``NAME=PATH``, a path, or labelled images in memory (see ``given_data``), or
            ``{"test": …, "train": …}`` of these; looked at is the test split.
        mean: by channel, of images in [0, 1]; without it the networks see images in [0, 1].
        std: the same.
        measures: names or specs; ``corruptions`` adds the 19 corruptions at severity 3.
        budget: promises as a mapping or a YAML file; accuracy within 0.5 points by default.
        model: what the files' weights belong to: a registered name or a reference to a factory.
        resize: side of the square that images are scaled and cropped to.
        limit: at most so many images, each class in proportion.
        classes: names in the order of the networks' outputs.
        trust: unpickle whole modules, which runs code in the files.
        store: folder of artefacts.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:i`` or ``mps``.
        listen: called with every event and the number of nodes to run.

    Raises:
        PrunescopeError: for anything wrong with the input, before the first network runs.

    Example:
        >>> import prunescope as ps
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        >>> smaller = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        >>> _ = smaller.load_state_dict(net.state_dict())
        >>> _ = ps.prune(smaller, sparsity=0.5).apply_(smaller)
        >>> images, labels = torch.rand(50, 1, 8, 8), torch.arange(50) % 10
        >>> found = audit(net, smaller, (images, labels), measures=[])
        >>> found.table[found.table["measure"] == "sparsity"]["value"].tolist()
        [0.0, 0.5]
    """
    references, named = by_name(dense, pruned)
    in_memory = any(isinstance(net, nn.Module) for nets in (references, *named.values()) for net in nets)
    promises, device = read_budget(budget), pick_device(device)
    architecture = None if model is None else resolve_model(model)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as passing:
        place = Store(Path(passing) / "store" if in_memory else store or default_store())
        sight = look(data, place, mean=mean, std=std, resize=resize, limit=limit, classes=classes)
        if isinstance(references[0], nn.Module):
            sight = sight.widened(outputs_of(references[0], sight.data))

        def load(name: str, net: Given, pruned: bool) -> Network:
            if isinstance(net, nn.Module):
                return take_network(name, net, sight.data)
            return read_network(name, str(net), architecture, sight.data, trust=trust, pruned=pruned)

        nets = [load(name, net, False) for name, net in numbered(DENSE, references)]
        levels = [Level.of(n, [load(m, net, True) for m, net in numbered(n, own)], nets) for n, own in named.items()]
        battery = choose(measures, promises, seeds=len(nets), levels=len(levels), images=sight.data.images)
        sight = sight.with_training(place) if battery.needs_training else sight
        planner = AuditPlanner(sight, battery)
        plan = planner.plan("audit", nets, levels)
        place.open()
        planner.write(plan, place)
        networks = [*nets, *(network for level in levels for network in level.networks)]
        summary = _measured(plan, place, networks, device, listen)
        return _told(plan, place, summary, sight, networks, len(nets), battery, architecture)


def _measured(
    plan: Planned, store: Store, networks: Sequence[Network], device: str, listen: Listener | None
) -> Summary:
    """Perform the plan in this process, which alone has the networks.

    Raises:
        PrunescopeError: when not a single measure could be computed.
    """
    at_hand, total = AT_HAND.set({network.key: network.net for network in networks}), len(needed(plan, store))

    def watch(node: Node, share: float) -> None:
        if listen is not None:
            listen(Event(what="running", node=node, share=share), total)

    try:
        begin = partial(Inline, store.root, device, torch.get_num_threads(), watch)
        summary = carry_out(plan, store, begin, listen=listen)
    finally:
        AT_HAND.reset(at_hand)
    if not any(store.has("measure", item.key) for item in plan.measured):
        raise PrunescopeError("nothing could be measured", got=next(iter(summary.failed.values()), "no reason"))
    return summary


def _told(
    plan: Planned,
    store: Store,
    summary: Summary,
    sight: Sight,
    networks: Sequence[Network],
    seeds: int,
    battery: Battery,
    model: Model | None,
) -> Audit:
    """Gather what was found; the first ``seeds`` networks are the dense ones."""
    rows = rows_of(plan, store)
    found = gather_found(plan, store, battery.views[0], battery.promises)
    verdict = judge([row for row in rows if row["recipe"] != DENSE], battery.promises)
    notes = (*(note for network in networks for note in network.notes), *battery.left_out, *found.notes)
    parameters = sum(parameter.numel() for parameter in networks[0].net.parameters())
    name = type(networks[0].net).__name__ if model is None else told_spec(model.spec())
    material = replace(
        found,
        question="What did pruning do to this network?",
        verdict=verdict,
        network=f"{name}, {parameters:,} parameters",
        data=sight.told,
        notes=notes,
        seeds=tuple(range(seeds)),
        study_file=_record(sight, networks, battery),
    )
    return Audit(table=audit_table(rows), verdict=verdict, notes=notes, summary=summary, material=material)


def _record(sight: Sight, networks: Sequence[Network], battery: Battery) -> str:
    """Return what was audited as text: the content of networks and data by their checksums, and what was asked."""
    record = {
        "networks": {network.name: dict(network.identity) for network in networks},
        "data": json.loads(sight.node.spec)["parameters"],
        "measures": [measure.spec() for measure in battery.measures],
        "views": [view.name for view in battery.views],
        "budget": [promise.canonical(complete=True) for promise in battery.promises],
    }
    return yaml.safe_dump({"audit": record}, sort_keys=False, allow_unicode=True, width=100)
