"""What a training takes at most, in a process of its own, beside the estimate: python docs/results/scale/memory.py."""

import resource
import subprocess
import sys

import torch

from prunescope.core.schedule import constant
from prunescope.data import Dataset, Normalization
from prunescope.models import MODELS, build
from prunescope.pruning import State
from prunescope.study.memory import BASE, LIBRARIES
from prunescope.training import Feed, train
from prunescope.training.footprint import step_bytes
from prunescope.training.objectives import OBJECTIVES
from prunescope.training.optimizers import Sgd

SHAPE = (3, 32, 32)
WIDE = {"wrn16_2": {"projection": "mlp"}}, {"supcon": {"layer": "projection"}}
TRAININGS = [(("resnet20", "cross_entropy"), 16), (("resnet20", "cross_entropy"), 64)]
TRAININGS += [(("resnet20", "cross_entropy"), 128), (("resnet20", "cross_entropy"), 256)]
TRAININGS += [(WIDE, 16), (WIDE, 64), (WIDE, 256)]


def main() -> None:
    """Print a row for each training, or perform the one whose number is given."""
    torch.set_num_threads(1)
    if len(sys.argv) > 1:
        perform(*TRAININGS[int(sys.argv[1])])
        return
    for number, ((model, objective), batch) in enumerate(TRAININGS):
        net = build(MODELS.build(model), SHAPE, 10, seed=0)
        told = BASE + LIBRARIES + step_bytes(net, torch.Size([batch, *SHAPE]), OBJECTIVES.build(objective))
        run = subprocess.run([sys.executable, __file__, str(number)], capture_output=True, text=True, check=True)  # noqa: S603
        took = int(run.stdout)
        name = f"{type(MODELS.build(model)).__name__}, {OBJECTIVES.build(objective).member_name}, batch {batch}"
        print(f"| {name} | {told / 1e6:.0f} | {took / 1e6:.0f} | {told / took:.2f} |", flush=True)  # noqa: T201


def perform(what: tuple[object, object], batch: int) -> None:
    """Train two steps and print the most bytes that this process has held."""
    model, objective = what[0], OBJECTIVES.build(what[1])
    images = torch.randint(256, (2 * batch, *SHAPE), dtype=torch.uint8)
    data = Dataset(images=images, labels=torch.randint(10, (2 * batch,)), classes=tuple("0123456789"))
    feed = Feed(data=data, batch=batch, normalization=Normalization.of(images), views=objective.views)
    net = build(MODELS.build(model), SHAPE, 10, seed=0)
    how = {"optimizer": Sgd(momentum=0.9), "schedule": constant(), "until": 2}
    train(net, State.of(net, seed=0), feed, objective=objective, **how)
    print(1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)  # noqa: T201


if __name__ == "__main__":
    main()
