"""Latents: what the last linear layer of a network is given."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from prunescope.core.errors import PrunescopeError
from prunescope.measures.inference.inference import INFERENCES, Inference, Seen
from prunescope.models import auxiliary


@INFERENCES.register("latents")
class Latents(Inference):
    """The representation that is classified: the input of the last Linear layer, ``latents [n, features]``, float32."""

    def __call__(self, seen: Seen) -> Mapping[str, Tensor]:
        """Return the latents.

        Raises:
            PrunescopeError: for a network without a Linear layer, or whose last one is given something else than
                ``[n, features]``.
        """
        given: list[Tensor] = []
        aside = auxiliary(seen.net)
        layers = [module for module in seen.net.modules() if isinstance(module, nn.Linear) and module not in aside]
        hooks = [layer.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0])) for layer in layers]
        parts: list[Tensor] = []
        try:
            for _, inputs in seen.batches():
                given.clear()
                with torch.inference_mode():
                    seen.net(inputs)
                if not given or given[-1].shape[:-1] != (len(inputs),):
                    got = f"its input {list(given[-1].shape)}" if given else "no Linear layer"
                    raise PrunescopeError("no latent", expected="a Linear layer at the end, [n, features]", got=got)
                parts.append(given[-1].float().cpu().clone())
        finally:
            for hook in hooks:
                hook.remove()
        return {"latents": torch.cat(parts)}
