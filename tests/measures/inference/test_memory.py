"""Memory of a comparison is bounded by what is kept, not by the images that went through."""

import subprocess
import sys
from pathlib import Path

import pytest

COMPARISON = """
import sys
from pathlib import Path

import torch

from prunescope.data import Normalization
from prunescope.measures.inference import Activations, Seen
from prunescope.models import ResNet20, build
from prunescope.similarity import layer_grid

torch.set_num_threads(1)
images = torch.randint(256, (50_000, 3, 32, 32), dtype=torch.uint8)


def layers(seed):
    seen = Seen(
        net=build(ResNet20(), (3, 32, 32), 10, seed).eval(),
        images=images,
        labels=torch.zeros(50_000),
        normalization=Normalization(mean=(0.5,) * 3, std=(0.25,) * 3),
        device=torch.device("cpu"),
        split=lambda name: None,
        origin=("test", torch.arange(50_000)),
    )
    return list(Activations(space=sys.argv[1], rows=50_000)(seen).values())


xs, ys = layers(0), layers(1)
for metric in ("cka", "nbs", "cca", "svcca", "pwcca"):
    grid = layer_grid(xs, ys, metric)
    assert grid.shape == (20, 20), grid.shape
[peak] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
print(peak.split()[1])
"""


@pytest.mark.soak
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak of memory from Linux")
@pytest.mark.parametrize("space", ["pool", "samples"])
def test_fifty_thousand_images_and_twenty_layers_fit_in_four_gib(space):
    done = subprocess.run([sys.executable, "-c", COMPARISON, space], capture_output=True, text=True, check=True)
    assert int(done.stdout) * 1024 < 4 * 2**30, f"{int(done.stdout) / 2**20:.2f} GiB"
