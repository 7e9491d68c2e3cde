"""Students as measures are shown them: trained for real, or built from a teacher's own nodes."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch

from prunescope.data import Normalization, Teacher
from prunescope.measures import Populations, Subject
from prunescope.models import Committee, build
from prunescope.pruning import Mask, State

N, K, M = 100, 6, 2
SOURCE = Teacher(inputs=N, hidden=M, v_star=4.0, train=10, test=10)


def net(seed, hidden=K):
    return build(Committee(hidden=hidden), (1, 1, N), 1, seed)


def subject(state, history=(), source=SOURCE):
    return Subject(
        seed=state.seed,
        classes=("output",),
        image_shape=(1, 1, N),
        normalization=Normalization(mean=(0.0,), std=(1.0,)),
        fetch=lambda kind: {},
        fetch_state=lambda: state,
        fetch_images=lambda: torch.empty(0, 1, 1, N),
        build=lambda: net(state.seed, len(state.weights["hidden.weight"])),
        fetch_rule=source.rule,
        fetch_history=lambda: history,
    )


def ideal(seed, teachers=(0, 0, 0, 1, 1, 1), signs=None, source=SOURCE):
    """Return a converged student: node i is a copy of teacher ``teachers[i]``, with both signs turned where asked."""
    rule, count = source.network(), len(teachers)
    sign = np.ones(count) if signs is None else np.array(signs)
    w = rule.w[list(teachers)] * sign[:, None]
    v = rule.v[list(teachers)] / np.array([teachers.count(t) for t in teachers]) * sign
    weights = {"hidden.weight": torch.from_numpy(w).float(), "output.weight": torch.from_numpy(v)[None].float()}
    return replace(State.of(net(seed, count), seed=seed), weights=weights)


def orthonormal(w):
    """Return rows of length √N at right angles; their span is that of ``w``."""
    return np.linalg.qr(w.T.astype(np.float64))[0].T * np.sqrt(w.shape[1])


def orthogonal_network(source, network=Teacher.network):
    """Return the teacher with exactly orthogonal nodes, as the closed forms assume."""
    rule = network(source)
    return replace(rule, w=orthonormal(rule.w))


def masked(state, first, second=None):
    first = torch.as_tensor(first)
    second = torch.ones_like(state.mask["output.weight"]) if second is None else torch.as_tensor(second)[None]
    return state.with_mask(Mask({"hidden.weight": first, "output.weight": second}))


def random_edges(state, keep, generator):
    order = torch.rand(state.mask["hidden.weight"].shape, generator=generator).argsort(1)
    return masked(state, order < keep)


def kept_nodes(state, nodes):
    kept = torch.zeros(len(state.weights["hidden.weight"]), dtype=torch.bool)
    kept[list(nodes)] = True
    return masked(state, kept[:, None].expand_as(state.weights["hidden.weight"]), kept)


@lru_cache
def trained(seed, samples=30_000):
    """Return a student that learned online, and what it recorded."""
    from prunescope.training import Context, Online

    history = []

    def record(epoch):
        plain = {"stage": 1, "kind": "online", "step": epoch.step, "loss": epoch.loss, "lr": epoch.lr}
        history.append({**plain, **epoch.measured})

    context = Context(
        build=lambda: net(seed),
        split=lambda name: SOURCE.load()[name],
        normalization=Normalization(mean=(0.0,), std=(1.0,)),
        callbacks=(record,),
        rule=SOURCE.rule(),
    )
    return Online(samples=samples, stops=15)(State.of(net(seed), seed=seed), context), tuple(history)


def populations(dense, pruned=None):
    before = tuple(subject(state) for state in dense)
    return Populations(dense=before, pruned=before if pruned is None else tuple(subject(state) for state in pruned))
