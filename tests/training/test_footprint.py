import subprocess
import sys

import pytest
import torch
from torch import nn

from prunescope.models import MODELS, build
from prunescope.study.memory import BASE, LIBRARIES
from prunescope.training.footprint import COPIES, INPUTS, SCATTER, look_bytes, peak_bytes, step_bytes
from prunescope.training.objectives import OBJECTIVES, CrossEntropy

IMAGES = torch.Size([128, 3, 32, 32])
MEASURED = r"""
import re, torch
from prunescope.core.schedule import constant
from prunescope.data import Dataset, Normalization
from prunescope.models import MODELS, build
from prunescope.pruning import State
from prunescope.training import Feed, train
from prunescope.training.objectives import CrossEntropy
from prunescope.training.optimizers import Sgd
torch.set_num_threads(1)
images = torch.randint(256, (256, 3, 32, 32), dtype=torch.uint8)
data = Dataset(images=images, labels=torch.randint(10, (256,)), classes=tuple("0123456789"))
feed = Feed(data=data, batch=128, normalization=Normalization.of(images))
net = build(MODELS.build("resnet20"), (3, 32, 32), 10, 0)
how = {"objective": CrossEntropy(), "optimizer": Sgd(momentum=0.9), "schedule": constant(), "until": 2}
train(net, State.of(net, seed=0), feed, **how)
# not ru_maxrss, which begins with what the parent held
print(1024 * int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1]))
"""


def test_what_is_freed_is_not_counted_and_views_take_nothing():
    def chain():
        x = torch.empty(1000, device="meta")
        for _ in range(5):
            x = x.view(10, 100).add(1).view(-1)

    assert peak_bytes(chain) == 2 * 4000


def test_the_meta_device_tells_what_the_processor_takes():
    def step(device):
        net, x = nn.Linear(100, 50).to(device), torch.ones(200, 100, device=device)
        return peak_bytes(lambda: net(x).relu().square().sum().backward())

    assert step("meta") == step("cpu")


def test_a_step_of_one_layer_by_hand():
    net = nn.Linear(100, 10, bias=False)
    outputs, weights, inputs = 4 * 64 * 10, 4 * 1000, 4 * 64 * 100
    alive = (step_bytes(net, torch.Size([64, 100]), CrossEntropy()) - COPIES * weights) / SCATTER - INPUTS * inputs
    assert outputs + weights <= alive <= 4 * outputs + 2 * weights


@pytest.mark.parametrize("name", OBJECTIVES.names())
def test_every_objective_can_be_told_and_twice_the_images_take_twice_the_memory(name):
    def grown(batch):
        net = build(MODELS.build("resnet20"), (3, 32, 32), 10, 0)
        return step_bytes(net, torch.Size([batch, 3, 32, 32]), OBJECTIVES.build(name))

    one, two, three = (grown(batch) for batch in (64, 128, 192))
    assert one < two
    assert three - two == pytest.approx(two - one, rel=0.05)


def test_looking_takes_less_than_training():
    net = build(MODELS.build("resnet20"), (3, 32, 32), 10, 0)
    assert look_bytes(net, IMAGES) < step_bytes(net, IMAGES, CrossEntropy()) / 3


@pytest.mark.skipif(not BASE, reason="this system does not tell what a process holds")
def test_the_estimate_of_a_training_is_near_what_its_process_takes():
    told = subprocess.run([sys.executable, "-c", MEASURED], capture_output=True, text=True, check=True)
    net = build(MODELS.build("resnet20"), (3, 32, 32), 10, 0)
    estimate = BASE + LIBRARIES + step_bytes(net, IMAGES, CrossEntropy())
    assert 0.7 < estimate / int(told.stdout) < 1.5
