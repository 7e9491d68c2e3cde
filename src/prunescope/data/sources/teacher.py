"""A teacher network: real inputs and targets, made on the fly from a seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field

from prunescope.core.errors import PrunescopeError
from prunescope.core.nonlinearity import Activation
from prunescope.core.seeds import derived_seed
from prunescope.data.dataset import SOURCES, Dataset, Source
from prunescope.data.rule import Rule, draw_examples

Count = Annotated[int, Field(ge=1)]


@SOURCES.register("teacher")
class Teacher(Source):
    r"""Normal inputs labelled by a two-layer network: $y = \sum_m v^*_m\, g(w^*_m \cdot x / \sqrt N) + \sigma \zeta$.

    $x \sim N(0, I_N)$ and the entries of $w^*$ are standard normal. Only a small sample is kept as splits ``train`` and
    ``test``; the stage ``online`` draws its inputs from the seed of each student, as many as it wants.

    Attributes:
        inputs: N.
        hidden: M, nodes of the teacher.
        mode: ``normal`` has $v^*_m$ = ``v_star``, ``soft_committee`` $v^*_m = 1$.
        v_star: second-layer weight of every node.
        noise: σ, standard deviation of the label noise.
        activation: g; ``erf`` stands for erf(u/√2).
        train: examples kept for training, of which a study holds some back for criteria that look at data.
        test: examples kept for views.
        seed: of the teacher and of these examples.

    Source: Saad and Solla, Physical Review E 52 (1995); Goldt et al., NeurIPS 2019; Acharyya et al., Statistical
        Mechanical Analysis of Neural Network Pruning, UAI 2021.
    """

    inputs: Count = 500
    hidden: Count = 2
    mode: Literal["normal", "soft_committee"] = "normal"
    v_star: float = 4.0
    noise: Annotated[float, Field(ge=0)] = 0.0
    activation: Activation = "erf"
    train: Count = 4000
    test: Count = 1000
    seed: Annotated[int, Field(ge=0)] = 0

    @staticmethod
    def of(rule: Mapping[str, Any]) -> Teacher:
        """Return the teacher that a network's data tell of.

        Raises:
            PrunescopeError: for data whose rule nobody knows.
        """
        if "teacher" not in rule:
            raise PrunescopeError(
                "the rule behind these data is not known", expected="data: teacher", got="other data", where="data"
            )
        return Teacher(**rule["teacher"])

    def network(self) -> Rule:
        """Return the teacher network."""
        generator = torch.Generator().manual_seed(derived_seed(self.seed, "teacher"))
        w = torch.randn(self.hidden, self.inputs, generator=generator).numpy()
        v = np.full(self.hidden, self.v_star if self.mode == "normal" else 1.0)
        return Rule(w=w, v=v, noise=self.noise, activation=self.activation)

    def load(self) -> Mapping[str, Dataset]:
        """Return ``train`` and ``test``, each input a row of N real pixels."""
        network = self.network()
        splits = {}
        for name, count in (("train", self.train), ("test", self.test)):
            x, y = draw_examples(network, derived_seed(self.seed, name), count)
            images = torch.from_numpy(x).view(count, 1, 1, self.inputs)
            splits[name] = Dataset(images=images, labels=torch.from_numpy(y).float(), classes=("output",))
        return splits

    def identity(self) -> Mapping[str, Any]:
        """Return the options."""
        return {"teacher": self.canonical(complete=True)}

    def rule(self) -> Mapping[str, Any]:
        """Return the options: they are the rule."""
        return self.identity()
