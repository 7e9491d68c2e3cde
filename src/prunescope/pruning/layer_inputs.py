"""What each layer of a masked network sees: its inputs on a sample, batch by batch, and their second moments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional
from torch.nn.grad import conv2d_weight

from prunescope.core.errors import PrunescopeError
from prunescope.models.taps import evaluating
from prunescope.pruning.mask import Mask, prunable

BATCH = 128  # images in one forward pass
ENTRIES = 2**20  # numbers in the largest intermediate of a chunk


def masked_weights(net: nn.Module, mask: Mask) -> dict[str, Tensor]:
    """Return copies of the weights that ``mask`` covers, pruned ones zero; the network is not changed."""
    weights = {name: weight.detach() for name, weight in prunable(net).items() if name in mask}
    return {name: weight.masked_fill(~mask[name].to(weight.device), 0.0) for name, weight in weights.items()}


def layer_of(net: nn.Module, name: str) -> nn.Module:
    """Return the module that owns the weight ``name``."""
    return net.get_submodule(name.rpartition(".")[0])


def checked_images(net: nn.Module, images: Tensor) -> Tensor:
    """Return the images on the network's device, after one of them went through.

    Raises:
        PrunescopeError: for no images, or images that the network cannot take.
    """
    if not len(images):
        raise PrunescopeError("there are no images to look at", expected="at least one", got=tuple(images.shape))
    images = images.to(next(net.parameters()).device)
    try:
        with evaluating(net), torch.no_grad():
            net(images[:1])
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        told = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise PrunescopeError("the network cannot take these images", got=f"{tuple(images.shape)}; {told}") from None
    return images


@torch.no_grad()
def visit_inputs(
    net: nn.Module,
    weights: Mapping[str, Tensor],
    images: Tensor,
    names: Sequence[str],
    see: Callable[[str, Tensor], None],
) -> None:
    """Run ``images`` through the network with ``weights`` in place of its own; hand each layer's input to ``see``.

    Args:
        net: held in evaluation mode meanwhile; nothing in it changes.
        weights: by parameter name, see :func:`masked_weights`.
        images: what ``net`` takes.
        names: weights of the layers to visit.
        see: called with name and input ``[batch, …]`` for every call of the layer and every batch of images.

    Raises:
        PrunescopeError: for images that the network cannot take, and a layer that the forward pass never calls.
    """
    images = checked_images(net, images)
    seen: set[str] = set()

    def hook(_: nn.Module, inputs: tuple[Tensor, ...], *, name: str) -> None:
        seen.add(name)
        see(name, inputs[0])

    handles = [layer_of(net, name).register_forward_pre_hook(partial(hook, name=name)) for name in names]
    try:
        with evaluating(net):
            for batch in torch.split(images, BATCH):
                functional_call(net, dict(weights), (batch,))
    finally:
        for handle in handles:
            handle.remove()
    silent = [name for name in names if name not in seen]
    if silent:
        raise PrunescopeError("a layer is never called by the forward pass", got=", ".join(silent[:5]))


def has_columns(layer: nn.Module) -> bool:
    """Return whether :func:`columns` knows this kind of layer."""
    return isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.groups == 1)


def check_columns(net: nn.Module, names: Iterable[str]) -> None:
    """Refuse weights of layers that :func:`columns` does not know.

    Raises:
        PrunescopeError: with the first such layer.
    """
    for name in names:
        if not has_columns(layer_of(net, name)):
            raise _without_columns(layer_of(net, name)).at(name)


def columns(layer: nn.Module, inputs: Tensor) -> Tensor:
    """Return what the weights of one row are multiplied by: ``[images, weights of a row, positions]``.

    A convolution is a linear layer applied to its patches; a linear layer has one position for each index between
    the first and the last of its input.

    Raises:
        PrunescopeError: for another layer than Linear and Conv2d without groups.

    Example:
        >>> columns(nn.Conv2d(2, 5, 3, stride=2, padding=1), torch.zeros(4, 2, 8, 8)).shape
        torch.Size([4, 18, 16])
    """
    if isinstance(layer, nn.Linear):
        return inputs.reshape(len(inputs), -1, layer.in_features).transpose(1, 2)
    if isinstance(layer, nn.Conv2d) and layer.groups == 1:
        padded = _padded(layer, inputs)
        kernel, stride, dilation = layer.kernel_size, layer.stride, layer.dilation
        sides = _sides(layer, padded)
        image, channel, row, column = padded.stride()
        patches = padded.as_strided(
            (*padded.shape[:2], *kernel, *sides),
            (image, channel, row * dilation[0], column * dilation[1], row * stride[0], column * stride[1]),
        )
        return patches.reshape(len(inputs), -1, sides[0] * sides[1])
    raise _without_columns(layer)


def column_rows(layer: nn.Module, inputs: Tensor) -> Tensor:
    """Return :func:`columns` as rows: ``[images · positions, weights of a row]``."""
    return columns(layer, inputs).transpose(1, 2).flatten(0, 1)


def responses(layer: nn.Module, weight: Tensor, inputs: Tensor) -> Tensor:
    """Return ``weight @ columns(layer, inputs)``, ``[images, rows, positions]``, without forming the columns."""
    if isinstance(layer, nn.Conv2d):
        filters = weight.view(-1, *layer.weight.shape[1:])
        padded = _padded(layer, inputs)
        return functional.conv2d(padded, filters, None, layer.stride, 0, layer.dilation).flatten(2)
    return weight @ columns(layer, inputs)


def column_products(layer: nn.Module, left: Tensor, inputs: Tensor) -> Tensor:
    """Return ``left @ columns(layer, inputs).mT``, ``[images, rows, weights of a row]``, without forming the columns.

    For a convolution this is the gradient of its weight, that of each image by itself.

    Args:
        layer: Linear or Conv2d.
        left: ``[images, rows, positions]``.
        inputs: of the layer.
    """
    if not isinstance(layer, nn.Conv2d):
        return left @ columns(layer, inputs).transpose(1, 2)
    padded = _padded(layer, inputs)
    images, rows, _ = left.shape
    gradients: Tensor = conv2d_weight(  # type: ignore[no-untyped-call]  # torch leaves it without types
        padded.reshape(1, -1, *padded.shape[2:]),
        (images * rows, layer.in_channels, *layer.kernel_size),
        left.reshape(1, -1, *_sides(layer, padded)),
        layer.stride,
        0,
        layer.dilation,
        images,
    )
    return gradients.view(images, rows, -1)


def _without_columns(layer: nn.Module) -> PrunescopeError:
    return PrunescopeError(
        "this layer is not a matrix product of its inputs",
        expected="Linear, or Conv2d with groups=1",
        got=layer,
        remedy="Leave it whole with ignore=",
    )


def _padded(layer: nn.Conv2d, inputs: Tensor) -> Tensor:
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    return functional.pad(inputs, layer._reversed_padding_repeated_twice, mode=mode)


def _sides(layer: nn.Conv2d, padded: Tensor) -> tuple[int, int]:
    """Return height and width of the output."""
    reach = [dilation * (kernel - 1) + 1 for dilation, kernel in zip(layer.dilation, layer.kernel_size, strict=True)]
    height, width = ((padded.shape[2 + i] - reach[i]) // layer.stride[i] + 1 for i in (0, 1))
    return height, width


def chunks(layer: nn.Module, inputs: Tensor, *, rows: int = 1) -> tuple[Tensor, ...]:
    """Return a few images at a time, so few that columns, responses and column products of ``rows`` rows stay small.

    With a single position the products of each image are only its outer products, and nobody needs to form them.
    """
    _, width, positions = columns(layer, inputs[:1]).shape
    largest = max(width * positions, rows * positions, rows * width if positions > 1 else 0)
    return torch.split(inputs, max(1, ENTRIES // largest))


def second_moments(
    net: nn.Module, mask: Mask, images: Tensor, features: Mapping[str, Callable[[Tensor], Tensor]]
) -> dict[str, Tensor]:
    r"""Return $H^\top H / n$ in float64 for features of what layers of the masked network see.

    Args:
        net: the network.
        mask: of its weights.
        images: what it takes.
        features: by the name of a layer's weight; from the layer's input to H ``[rows, N]``.

    Returns:
        ``[N, N]`` by name; n counts the rows of H over all images.
    """
    sums: dict[str, Tensor] = {}
    rows = dict.fromkeys(features, 0)

    def see(name: str, inputs: Tensor) -> None:
        h = features[name](inputs).double()
        product = h.T @ h
        sums[name] = sums[name] + product if name in sums else product
        rows[name] += len(h)

    visit_inputs(net, masked_weights(net, mask), images, list(features), see)
    return {name: sums[name] / rows[name] for name in features}
