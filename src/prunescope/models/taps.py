"""Taps: the activations of any network by module name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from prunescope.core.errors import PrunescopeError, unknown_name

INPUT = "input"
LOGITS = "logits"


def tap_names(net: nn.Module, images: Tensor) -> list[str]:
    """Return the names of all taps, in the order in which one forward pass of ``images`` computes them.

    A tap is a module whose output is one tensor: leaves and blocks (a block after its parts). A container that
    only hands on the output of its last part is left out, though its name is accepted. A module called several
    times, such as one ReLU used twice, is several taps, numbered by call: ``relu:1``, ``relu:2``. A module that is
    not called is no tap. The words ``input`` (the images) and ``logits`` (the output of the net) are
    taps of every network and are not listed; they stand for those even where a module has that name.

    Example:
        >>> relu = nn.ReLU()
        >>> tap_names(nn.Sequential(nn.Linear(3, 2), relu, nn.Linear(2, 2), relu), torch.zeros(1, 3))
        ['0', '1:1', '2', '1:2']
    """
    order, _ = _forward(net, images, ())
    return order


def activations(net: nn.Module, images: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
    """Return the activations of ``images`` at the taps ``names``, from one forward pass in evaluation mode.

    The tensors are copies without gradient, safe from operations that work in place. The network is left as it
    was: training flags are restored and hooks removed, also after an error.

    Args:
        net: any module.
        images: what ``net`` takes.
        names: taps, see :func:`tap_names`; also ``input`` and ``logits``.

    Returns:
        ``{name: [n, …]}`` in the order of ``names``.

    Raises:
        PrunescopeError: for a name that is no tap, with the nearest ones.

    Example:
        >>> net = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
        >>> {name: tuple(t.shape) for name, t in activations(net, torch.zeros(4, 3), ["0", "logits"]).items()}
        {'0': (4, 2), 'logits': (4, 2)}
    """
    order, found = _forward(net, images, names)
    for name in names:
        if name not in found:
            raise unknown_name("tap", name, (*order, INPUT, LOGITS))
    return {name: found[name] for name in names}


def stream_activations(net: nn.Module, batches: Iterable[Tensor], names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Yield :func:`activations` for each batch; between batches the network is as it was."""
    for images in batches:
        yield activations(net, images, names)


def _forward(net: nn.Module, images: Tensor, names: Sequence[str]) -> tuple[list[str], dict[str, Tensor]]:
    """Run once; return all taps in order and copies of the wanted ones."""
    record = _Record(net, names)
    found = {INPUT: images.detach().clone()} if INPUT in names else {}
    with record, evaluating(net), torch.no_grad():
        output = net(images)
    found |= {record.name(key): copy for key, copy in record.copies.items()}
    if LOGITS in names:
        if not isinstance(output, Tensor):
            raise PrunescopeError("the network does not return logits", expected="a tensor", got=type(output).__name__)
        found[LOGITS] = output.detach().clone()
    return [record.name(key) for key in record.order], found


class _Record:
    """Forward hooks on all modules, which count calls and copy the outputs that are wanted."""

    def __init__(self, net: nn.Module, names: Sequence[str]) -> None:
        self.modules = {module: name for name, module in net.named_modules() if name}
        self.wanted = set(names) - {INPUT, LOGITS}
        self.calls: Counter[str] = Counter()
        self.order: list[tuple[str, int]] = []
        self.copies: dict[tuple[str, int], Tensor] = {}
        self.latest: object = None

    def __enter__(self) -> None:
        self.handles = [module.register_forward_hook(self._see) for module in self.modules]

    def __exit__(self, *_: object) -> None:
        for handle in self.handles:
            handle.remove()
        self.latest = None

    def name(self, key: tuple[str, int]) -> str:
        """Return the tap's name: numbered where the module was called more than once."""
        module, call = key
        return module if self.calls[module] == 1 else f"{module}:{call}"

    def _see(self, module: nn.Module, _: object, output: object) -> None:
        name = self.modules[module]
        self.calls[name] += 1
        key = name, self.calls[name]
        handed_on = output is self.latest and any(True for _ in module.children())
        self.latest = output
        if not isinstance(output, Tensor):
            return
        if not handed_on:
            self.order.append(key)
        if name in self.wanted or f"{name}:{key[1]}" in self.wanted:
            self.copies[key] = output.detach().clone()


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """Hold the network in evaluation mode and give every module its own flag back."""
    flags = [(module, module.training) for module in net.modules()]
    net.eval()
    try:
        yield
    finally:
        for module, training in flags:
            module.training = training
