"""Freeze: what later stages leave as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from pydantic import Field, model_validator
from torch import Tensor, nn

from prunescope.core.errors import PrunescopeError
from prunescope.core.patterns import Patterns, matching
from prunescope.models import tap_names
from prunescope.pruning import State, prunable
from prunescope.training.stages.stage import STAGES, Context, Stage


@STAGES.register("freeze")
class Freeze(Stage):
    """Hold layers as they are: weights, biases, norm parameters and norm statistics.

    With ``fraction``, the longest run of layers from the input on that holds at most this share of the prunable
    weights, together with everything computed before the next such layer. With ``names``, what fits.

    Attributes:
        fraction: share of the prunable weights.
        names: patterns of layers or tensors.
    """

    fraction: Annotated[float, Field(gt=0, lt=1)] | None = None
    names: Patterns = ()

    @model_validator(mode="after")
    def _one_choice(self) -> Freeze:
        if (self.fraction is None) == (not self.names):
            got = "neither" if self.fraction is None else "both"
            raise PrunescopeError("what to freeze is not clear", expected="fraction or names", got=got)
        return self

    @property
    def needs_data(self) -> bool:
        """Whether it looks at the shape of images, to learn the order of layers."""
        return self.fraction is not None

    def __call__(self, state: State, context: Context) -> State:
        """Return the state with more of it frozen.

        Raises:
            PrunescopeError: when nothing would be frozen, or nothing be left to train.
        """
        net = state.load_into(context.build())
        if self.fraction is None:
            frozen = matching(state.weights, self.names, "freeze")
        else:
            images = context.normalization(context.split("train").images[:1])
            frozen = first_layers(net, _forward_order(net.to(images.device), images), self.fraction)
        if not {name for name, _ in net.named_parameters()} - state.frozen - frozen:
            raise PrunescopeError("every parameter is frozen", remedy="Nothing would be left to train", where="freeze")
        return replace(state, frozen=state.frozen | frozen)


def first_layers(net: nn.Module, order: Sequence[str], fraction: float) -> frozenset[str]:
    """Return the parameters and buffers of the first layers that hold at most ``fraction`` of the prunable weights.

    Args:
        net: the network.
        order: names of its modules in the order in which they are computed.
        fraction: of all prunable weights.

    Raises:
        PrunescopeError: when the first layer alone holds more.
    """
    sizes = {name.rpartition(".")[0]: weight.numel() for name, weight in prunable(net).items()}
    room = round(fraction * sum(sizes.values()))
    reached: list[str] = []
    for name in order:
        room -= sizes.get(name, 0)
        if room < 0:
            break
        reached.append(name)
    if not sizes.keys() & set(reached):
        share = next(sizes[name] for name in order if name in sizes) / sum(sizes.values())
        raise PrunescopeError(
            "the first layer alone holds more", expected=f"≥ {share:.4g}", got=fraction, where="freeze"
        )
    modules = dict(net.named_modules())
    held = ((name, key) for name in reached for key in _own_tensors(modules[name]))
    return frozenset(f"{name}.{key}" if name else key for name, key in held)


def _own_tensors(module: nn.Module) -> list[str]:
    own = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
    return [name for name, _ in own if name not in module._non_persistent_buffers_set]


def _forward_order(net: nn.Module, images: Tensor) -> list[str]:
    """Return the modules in the order of their first call; the network itself, if it is a layer, is one."""
    calls = dict.fromkeys(tap.partition(":")[0] for tap in tap_names(net, images))
    return list(calls) or [""]
