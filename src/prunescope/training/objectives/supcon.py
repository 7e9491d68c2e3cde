"""Supervised contrastive learning."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from prunescope.core.errors import PrunescopeError, unknown_name
from prunescope.training.objectives.objective import OBJECTIVES, Batch, Objective

Positive = Annotated[float, Field(gt=0)]


def supcon_loss(embeddings: Tensor, labels: Tensor, temperature: float, base_temperature: float) -> Tensor:
    r"""Return the supervised contrastive loss of a batch, with $z$ the embeddings scaled to length 1.

    $L = -\frac{\tau}{\tau_0} \frac{1}{|A|} \sum_{i \in A} \frac{1}{|P(i)|} \sum_{p \in P(i)}
    \left( z_i \cdot z_p / \tau - \log \sum_{a \ne i} \exp(z_i \cdot z_a / \tau) \right)$,
    where $P(i)$ are the other rows with the label of $i$ and $A$ the rows that have any. Without such rows it is 0.
    Computed in float32 at least, also under autocast; a zero embedding stays zero and gets a finite gradient.

    Args:
        embeddings: ``[n, d]``.
        labels: ``[n]``.
        temperature: $\tau$.
        base_temperature: $\tau_0$.

    Source: Khosla et al., Supervised Contrastive Learning, NeurIPS 2020, equation 2.

    Example:
        >>> z = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> round(supcon_loss(z, torch.tensor([0, 0, 1]), 1.0, 1.0).item(), 6)  # log(1 + 1/e)
        0.313262
    """
    # The meta device, on which memory is told beforehand, has no autocast of its own.
    with torch.autocast("cpu" if embeddings.is_meta else embeddings.device.type, enabled=False):
        x = embeddings.to(torch.promote_types(embeddings.dtype, torch.float32))
        squared = x.square().sum(1, keepdim=True)
        z = x / torch.where(squared > 0, squared, 1).sqrt()
        similarity = z @ z.T / temperature
        itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
        others = similarity.masked_fill(itself, torch.finfo(similarity.dtype).min)
        positive = (labels.unsqueeze(1) == labels) & ~itself
        count = positive.sum(1)
        pulled = torch.where(positive, similarity, 0).sum(1) / count.clamp(min=1)
        rows = torch.where(count > 0, others.logsumexp(1) - pulled, 0)
        return temperature / base_temperature * rows.sum() / (count > 0).sum().clamp(min=1)


@OBJECTIVES.register("supcon")
class SupCon(Objective):
    r"""The supervised contrastive loss on two augmented views of each image: images of one class attract each other.

    Attributes:
        layer: module whose output is embedded, such as the ``projection`` of ``wrn16_2``; the network's own output
            when empty. Layers behind it are not trained.
        temperature: $\tau$.
        base_temperature: $\tau_0$; the loss carries the factor $\tau / \tau_0$.
        labels: False to learn without them: only the two views of an image attract each other (SimCLR, whose loss
            this is up to that factor).

    Source: Khosla et al., Supervised Contrastive Learning, NeurIPS 2020; without labels Chen et al., A Simple
    Framework for Contrastive Learning of Visual Representations, ICML 2020, equation 1.
    """

    views: ClassVar[int] = 2

    layer: str = ""
    temperature: Positive = 0.5
    base_temperature: Positive = 0.07
    labels: bool = True

    def __call__(self, net: nn.Module, batch: Batch) -> Tensor:
        """Return the loss over all views."""
        embeddings = _output_of(net, self.layer, batch.images).flatten(1)
        images = torch.arange(len(embeddings) // self.views, device=embeddings.device).repeat(self.views)
        labels = batch.labels if self.labels else images
        return supcon_loss(embeddings, labels, self.temperature, self.base_temperature)


def _output_of(net: nn.Module, layer: str, images: Tensor) -> Tensor:
    """Return the output of one module, with its gradient, from a forward pass of the whole network."""
    if not layer:
        return net(images)  # type: ignore[no-any-return]
    modules = dict(net.named_modules())
    if layer not in modules:
        raise unknown_name("layer", layer, (name for name in modules if name)).at("supcon")
    seen: list[Tensor] = []
    # A copy, because what comes next may work in place.
    with modules[layer].register_forward_hook(lambda module, given, output: seen.append(output.clone())):
        net(images)
    if not seen:
        raise PrunescopeError("the network does not use this layer", got=layer, where="supcon")
    return seen[-1]
