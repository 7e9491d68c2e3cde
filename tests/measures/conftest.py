"""Synthetic networks as a measure is shown them: logits from a seed, a real State of a tiny network."""

from dataclasses import replace
from functools import lru_cache
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from prunescope.data import Normalization
from prunescope.measures import Curve, Populations, Recipes, Subject
from prunescope.pruning import State, prune

SHAPE = (1, 8, 8)


def build(classes):
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, classes))


@lru_cache
def states(seed, classes, sparsity):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = build(classes)
    dense = State.of(net, seed=seed)
    return dense, dense.with_mask(prune(net, "magnitude", sparsity=sparsity))


def activations(logits):
    """Two layers that belong to the logits: six rectified mixtures of them, and the logits themselves."""
    mixtures = torch.randn(logits.shape[1], 6, generator=torch.Generator().manual_seed(0))
    return {"hidden": torch.relu(logits @ mixtures), "head": logits}


def probes(logits):
    """Three probes: the second class of the network, its answer on half of the examples, and its answer."""
    second, first = logits.argsort(dim=1)[:, -2:].T if logits.shape[1] > 1 else logits.new_zeros(2, len(logits)).long()
    half = torch.where(logits.sum(dim=1) > 0, first, second)
    return {name: votes.to(torch.int16) for name, votes in (("input", second), ("middle", half), ("logits", first))}


def images(count):
    return torch.randint(256, (count, *SHAPE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def shifted(logits, labels):
    """Return the logits on harder images: less sure of the truth."""
    truth = torch.nn.functional.one_hot(labels, logits.shape[1])
    return logits - 0.8 * logits.std(dim=1, correction=0, keepdim=True) * truth


def pixels(logits):
    """Six images whose pixels are taken in an order that depends on their logits; the confidence falls."""
    count = min(6, len(logits))
    draws = torch.rand(count, 64, generator=torch.Generator().manual_seed(0)) * logits[:count].abs().mean()
    falling = torch.linspace(1, 0.1, 65, dtype=torch.float64).expand(count, -1) * logits[:count].softmax(1).amax(
        1, True
    )
    return {
        "order": draws.argsort(1),
        "confidence": falling,
        "labels": torch.zeros(count).long(),
        "places": torch.arange(count),
    }


# What each kind of inference leaves of a network with these logits.
EVIDENCE = {
    "logits": lambda logits, labels: {"logits": logits, "labels": labels},
    "activations": lambda logits, labels: activations(logits),
    "latents": lambda logits, labels: {"latents": activations(logits)["hidden"]},
    "probes": lambda logits, labels: probes(logits),
    "draws": lambda logits, labels: {"logits": torch.stack([logits, 0.5 * logits + 1, shifted(logits, labels)])},
    "pixels": lambda logits, labels: pixels(logits),
    "latency": lambda logits, labels: {"seconds": 1e-3 * (1 + logits[:10, 0].double().abs())},
}


def changed(subject, **kinds):
    """Return the subject with other evidence of some kinds."""
    known = {kind: subject.evidence(kind) for kind in EVIDENCE}
    return replace(subject, fetch=lambda kind: kinds.get(kind, known[kind]))


def history(seed, state):
    """A life: two epochs dense, pruned, two epochs under the mask, the mask lifted, two epochs."""

    def epoch(stage, number, left, grown):
        counts = {
            f"{what}/{name}": value
            for name, (kept, total) in state.mask.counts().items()
            for what, value in (
                ("nonzero", kept + left * (total - kept)),
                ("grown", grown * (total - kept)),
                ("grown_size", 0.01),
            )
            if what != "grown_size" or grown
        }
        share = 0.5 + 0.01 * seed + 0.05 * (stage + number)
        curve = {f"{split}/accuracy": share for split in ("train", "validation")}
        about = {"stage": stage, "kind": "train", "epoch": number, "step": number, "sparsity": 0.0 if left else 0.5}
        return about | counts | curve | {"loss": 1 - share, "lr": 0.1}

    return [
        *(epoch(1, number, 1, 0) for number in range(2)), {"stage": 2, "kind": "prune", "sparsity": 0.5},
        *(epoch(3, number, 0, 0) for number in range(2)), {"stage": 4, "kind": "regrow", "sparsity": 0.0},
        *(epoch(5, number, 1, 1) for number in range(2)),
    ]  # fmt: skip


def subject(seed, logits, labels, state, classes=None):
    logits, labels = torch.as_tensor(logits, dtype=torch.float32), torch.as_tensor(labels)
    names = tuple(f"c{i}" for i in range(logits.shape[1])) if classes is None else classes
    return Subject(
        seed=seed,
        classes=names,
        image_shape=SHAPE,
        normalization=Normalization(mean=(0.5,), std=(0.25,)),
        fetch=lambda kind: EVIDENCE[kind](logits, labels),
        fetch_state=lambda: state,
        fetch_images=lambda: images(len(labels)),
        build=lambda: build(len(names)),
        fetch_history=lambda: history(seed, state),
    )


def from_logits(dense, pruned, labels, classes=None, sparsity=0.5):
    """Pair up logits ``[networks, examples, classes]``; a pruned population of None is the dense one itself."""
    befores, afters, starts = [], [], []
    for seed, before in enumerate(dense):
        whole, sparse = states(seed, np.shape(before)[1], sparsity)
        befores.append(subject(seed, before, labels, whole, classes))
        afters.append(befores[-1] if pruned is None else subject(seed, pruned[seed], labels, sparse, classes))
        random = np.random.default_rng(seed).standard_normal(np.shape(before))
        starts.append(subject(seed, random, labels, whole, classes))
    return Populations(dense=tuple(befores), pruned=tuple(afters), untrained=tuple(starts))


def from_predictions(dense, pruned, labels, classes):
    eye = 5.0 * np.eye(classes)
    return from_logits(eye[np.asarray(dense)], eye[np.asarray(pruned)], labels)


def logits(networks=4, examples=60, classes=5, seed=0, noise=0.9):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), rng.integers(classes, size=examples - classes)])
    base = rng.standard_normal((examples, classes)) + 2.5 * np.eye(classes)[labels]
    dense = base + noise * rng.standard_normal((networks, examples, classes))
    return dense, dense + noise * rng.standard_normal((networks, examples, classes)), labels


def populations(networks=4, examples=60, classes=5, seed=0, noise=0.9, same=False, sparsity=0.5):
    dense, pruned, labels = logits(networks, examples, classes, seed, noise)
    return from_logits(dense, None if same else pruned, labels, sparsity=sparsity)


def shown(scope, whole):
    """Return what a measure of this scope is shown, cut from whole populations."""
    if scope == "populations":
        return whole
    if scope == "recipes":
        return Recipes(populations={"whole": whole, "swapped": replace(whole, dense=whole.pruned, pruned=whole.dense)})
    harder = Populations(**{side: tuple(map(on_harder_images, getattr(whole, side))) for side in ("dense", "pruned")})
    views = {
        name: (replace(level, pruned=level.dense), level)
        for name, level in {"test": whole, "corruption/fog/3": harder}.items()
    }
    return Curve(sparsities=(0.0, 0.5), views=views)


def on_harder_images(subject):
    """Return the subject as it is on a shifted view."""
    return changed(subject, logits={"logits": shifted(subject.logits, subject.labels), "labels": subject.labels})


@pytest.fixture(scope="session")
def synthetic():
    return SimpleNamespace(
        build=build,
        changed=changed,
        states=states,
        subject=subject,
        from_logits=from_logits,
        from_predictions=from_predictions,
        logits=logits,
        populations=populations,
        shown=shown,
        image_shape=SHAPE,
    )
