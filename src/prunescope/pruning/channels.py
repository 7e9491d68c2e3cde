"""Channels: what filters write and other layers read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from prunescope.pruning.dependency import Tied, check_outputs, outputs, probes, removable, remove
from prunescope.pruning.mask import Mask, prunable

_KNOWN: WeakKeyDictionary[nn.Module, tuple[object, Channels]] = WeakKeyDictionary()  # tracing takes its time
NOBODY = -1  # the number of a row or column that belongs to no removable channel


@dataclass(frozen=True)
class Channels:
    """The removable channels of a network, numbered through, and what writes and reads each.

    A channel is one output of a layer together with everything that is tied to it: a residual sum ties channels of
    all layers that are added up, a concatenation hands each on to many readers, flattening makes several columns of
    one. It is written by rows (filters) of weights and read by columns of others.

    Args:
        groups: the numbers of each set of channels that the same weights write and read, by the first weight that
            writes them (and ``#2``, … where that is not the first such set).
        rows: by weight, the channel that each row writes, ``[outputs]``; -1 where it writes none.
        columns: by weight, the channel that each column reads, ``[inputs]``; -1 where it reads none.
    """

    groups: Mapping[str, Tensor]
    rows: Mapping[str, Tensor]
    columns: Mapping[str, Tensor]

    def members(self, group: str) -> set[str]:
        """Return the weights that write or read the channels of a group."""
        numbers = self.groups[group]
        return {n for side in (self.rows, self.columns) for n in side if bool(torch.isin(side[n], numbers).any())}

    def covered_by(self, mask: Mask) -> Channels:
        """Return the channels all of whose weights ``mask`` covers; the rest cannot be removed under it."""
        groups = {name: numbers for name, numbers in self.groups.items() if self.members(name) <= mask.keys()}
        return Channels(groups, self.rows, self.columns)

    def alive(self, mask: Mask) -> Mask:
        """Return which channels of each group have any weight left that writes or reads them."""
        read, written = self.read(mask), self.written(mask)
        return Mask({name: flags | written[name] for name, flags in read.items()})

    def written(self, mask: Mask) -> Mask:
        """Return which channels of each group any weight is left to write."""
        rows = {name: mask[name].flatten(1).any(1) for name in self.rows if name in mask}
        return Mask({name: flags > 0 for name, flags in self._told("amax", self.rows, rows).items()})

    def read(self, mask: Mask) -> Mask:
        """Return which channels of each group any weight is left to read."""
        columns = {name: mask[name].transpose(0, 1).flatten(1).any(1) for name in self.columns if name in mask}
        return Mask({name: flags > 0 for name, flags in self.largest(columns).items()})

    def keep(self, mask: Mask, kept: Mask) -> Mask:
        """Return ``mask`` without the rows that write and the columns that read a channel that is not ``kept``."""
        tensors = dict(mask)
        for dimension, side in enumerate((self.rows, self.columns)):
            for name, stays in self._spread(side, kept, others=True).items():
                if name in mask:
                    shape = [1] * mask[name].ndim
                    shape[dimension] = -1
                    tensors[name] = tensors[name] & stays.view(shape).to(mask[name].device)
        return Mask(tensors)

    def of_columns(self, flags: Mask) -> dict[str, Tensor]:
        """Return for each column, by weight, the flag of the channel that it reads; False where it reads none."""
        return self._spread(self.columns, flags, others=False)

    def summed(self, rows: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return for each channel the sum of what is told of the rows that write it, ``[channels]`` by group."""
        return self._told("sum", self.rows, rows)

    def largest(self, columns: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return for each channel the largest, at least 0, that is told of the columns that read it, by group."""
        return self._told("amax", self.columns, columns)

    @property
    def _total(self) -> int:
        return 1 + max((int(numbers.max()) for numbers in self.rows.values()), default=NOBODY)

    def _told(self, how: str, side: Mapping[str, Tensor], told: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what rows or columns tell of their channels, at least 0, by group, in float64."""
        found = torch.zeros(self._total + 1, dtype=torch.float64)  # the last place is that of nobody
        for name, values in told.items():
            found.scatter_reduce_(0, side[name] % len(found), values.cpu().double(), how)
        return {name: found[numbers] for name, numbers in self.groups.items()}

    def _spread(self, side: Mapping[str, Tensor], flags: Mask, *, others: bool) -> dict[str, Tensor]:
        """Return the flag of each row's or column's channel; ``others`` where it has none in ``groups``."""
        found = torch.full((self._total + 1,), others)
        for name, numbers in self.groups.items():
            found[numbers] = flags[name].cpu()
        return {name: found[numbers % len(found)] for name, numbers in side.items()}


def channels(net: nn.Module) -> Channels:
    """Return the removable channels of a network; it is not changed.

    Left out are the outputs of the network itself, and channels that a layer mixes which cannot lose one alone
    (grouped convolutions, layer and group norm, attention, recurrent layers). A shortcut without weights ties the
    channels that it hands on, also where :class:`prunescope.models.resnet.Subsample` puts zero channels beside them.

    Raises:
        PrunescopeError: for a network whose input nobody can guess, that cannot be traced, that pads channels by
            itself, or whose outputs change when masked channels are removed: something mixes what looks apart.

    Source: Fang et al., DepGraph: Towards Any Structural Pruning, CVPR 2023.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 9, 2))
        >>> found = channels(net)
        >>> found.groups, found.columns["3.weight"][:10].tolist()
        ({'0.weight': tensor([0, 1, 2, 3])}, [0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
    """
    anatomy = _anatomy(net)
    if net not in _KNOWN or _KNOWN[net][0] != anatomy:
        _KNOWN[net] = anatomy, _found(net)
    return _KNOWN[net][1]


def _anatomy(net: nn.Module) -> tuple[object, ...]:
    """Return what decides about the channels of a network; its numbers do not."""
    modules = tuple((name, type(module)) for name, module in net.named_modules())
    return modules, tuple((name, tensor.shape, tensor.device) for name, tensor in net.named_parameters())


def _found(net: nn.Module) -> Channels:
    weights = prunable(net)
    rows = {name: torch.full((len(weight),), NOBODY) for name, weight in weights.items()}
    columns = {name: torch.full((weight.shape[1],), NOBODY) for name, weight in weights.items()}
    total = 0
    traced, sets = removable(net)
    for tied in sets:
        for side, places in ((rows, tied.written), (columns, tied.read)):
            for name, where, numbers in places:
                side[name][where] = total + torch.tensor(numbers)
        total += tied.size
    sides = [{name: side for name, side in found.items() if (side >= 0).any()} for found in (rows, columns)]
    found = Channels(_alike(total, *sides), *sides)
    _check(traced, sets, found)
    return found


def _check(traced: nn.Module, sets: list[Tied], found: Channels) -> None:
    """Remove a middle channel of each group from the copy for good and see whether masking it does the same."""
    gone = {name: torch.arange(len(numbers)) == len(numbers) // 2 for name, numbers in found.groups.items()}
    gone = {name: flags & (len(flags) > 1) for name, flags in gone.items()}
    if found.groups:
        found.keep(Mask.full(traced), Mask({name: ~flags for name, flags in gone.items()})).apply_(traced)
        images = probes(traced)
        wanted = outputs(traced, images)
        remove(sets, torch.cat([found.groups[name][flags] for name, flags in gone.items()]))
        check_outputs(traced, images, wanted)


def _alike(total: int, rows: Mapping[str, Tensor], columns: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the channels that the same weights write and read, by the first that writes them, in that order."""
    if not total:
        return {}
    touched = torch.zeros(total + 1, len(rows) + len(columns), dtype=torch.bool)
    for place, side in enumerate([*rows.values(), *columns.values()]):
        touched[side, place] = True
    patterns, group = torch.unique(touched[:total], dim=0, return_inverse=True)
    groups: dict[str, Tensor] = {}
    firsts = patterns[:, : len(rows)].int().argmax(1)
    for pattern in sorted(range(len(patterns)), key=lambda p: (int(firsts[p]), int((group == p).int().argmax()))):
        name = list(rows)[int(firsts[pattern])]
        again = sum(other.partition("#")[0] == name for other in groups)
        groups[f"{name}#{again + 1}" if again else name] = (group == pattern).nonzero().flatten()
    return groups
