"""Which worker gets which GPU, without one: what runs is told by nodes that declare their share."""

import torch

from prunescope.study.node import Node
from prunescope.study.runners.local import Local, _Worker

NODE = Node(kind="train", key="next", spec="", payload={}, inputs={})


def worker(device, gpu=0.0):
    node = Node(kind="train", key="k", spec="", payload={}, inputs={}, gpu=gpu)
    return _Worker(process=None, device=device, node=node)


def test_nodes_wait_until_the_shares_of_gpus_that_they_declare_fit(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    runner = Local(tmp_path, "cuda", workers=16)
    assert runner.next_device() == "cuda:0"
    runner._workers = [worker("cuda:0", 1.0), worker("cuda:1", 0.75)]
    assert runner.free(NODE)
    runner._workers.append(worker("cuda:1", 0.25))
    assert not runner.free(NODE)
    assert runner.next_device() == "cuda:0"


def test_without_gpus_only_the_number_of_workers_counts(tmp_path):
    runner = Local(tmp_path, "cpu", workers=2)
    runner._workers = [worker("cpu", 1.0)]
    assert runner.free(NODE)
    runner._workers.append(worker("cpu", 1.0))
    assert not runner.free(NODE)
    assert runner.next_device() == "cpu"
