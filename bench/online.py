"""Online learning of many students against a loop over samples in PyTorch, one student at a time."""

from __future__ import annotations

import time

import numpy as np
import torch

from prunescope.data import Teacher
from prunescope.models import Committee, build
from prunescope.training.online import Students, learn_online

STUDENTS, SAMPLES, N, K = 10, 800_000, 500, 6
OURS, PEER = 12_800, 2_000  # samples of each that are timed; the rest is the same again
TURNS = 3


def rows() -> list[tuple[str, float, float]]:
    """Return processor seconds per student for all samples; the name tells the rate of arithmetic."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        times = [(_ours(), _peer()) for _ in range(TURNS)]
    finally:
        torch.set_num_threads(threads)
    ours, peer = (min(part) for part in zip(*times, strict=True))
    rate = SAMPLES / ours
    flops = 4 * N * (K + 1) * rate  # fields and moves of K students and fields of 2 teachers: multiply and add
    traffic = 4 * N * (1 + 2 * K) * rate  # a plain step reads an input, reads and writes the weights
    told = (
        f"{STUDENTS} students × {SAMPLES} online steps, N={N} K={K} (promise 30x); {flops / 1e9:.2g} GFLOP/s; "
        f"plain steps at this rate move {traffic / 1e9:.2g} GB/s, memory {_bandwidth() / 1e9:.2g}"
    )
    return [(told, ours, peer)]


def _ours() -> float:
    rng = np.random.default_rng(0)
    students = Students(
        rng.standard_normal((STUDENTS, K, N)).astype(np.float32), rng.standard_normal((STUDENTS, K)).astype(np.float32)
    )
    began = time.process_time()
    for _ in learn_online(students, range(STUDENTS), Teacher(inputs=N).network(), learning_rate=0.5, stops=[OURS]):
        pass
    return (time.process_time() - began) * SAMPLES / OURS / STUDENTS


def _peer() -> float:
    """Take steps as the published code does: a network, its loss, backward, an optimiser with two rates."""
    rule, net = Teacher(inputs=N).network(), build(Committee(hidden=K), (1, 1, N), 1, seed=0)
    x = torch.randn(PEER, 1, 1, N)
    y = torch.from_numpy(rule.outputs(x.flatten(1).numpy())).float()
    groups = [{"params": [net.hidden.weight], "lr": 0.5}, {"params": [net.output.weight], "lr": 0.5 / N}]
    optimizer = torch.optim.SGD(groups)
    began = time.process_time()
    for i in range(PEER):
        optimizer.zero_grad()
        (0.5 * (net(x[i : i + 1])[0, 0] - y[i]) ** 2).backward()
        optimizer.step()
    return (time.process_time() - began) * SAMPLES / PEER


def _bandwidth() -> float:
    """Return bytes per second of one core that copies an array much larger than its caches."""
    source = np.ones(2**25)
    target = np.empty_like(source)
    times = []
    for _ in range(5):
        began = time.process_time()
        np.copyto(target, source)
        times.append(time.process_time() - began)
    return 2 * source.nbytes / min(times)
