import copy
import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from prunescope.core.errors import PrunescopeError
from prunescope.models import MODELS, build
from prunescope.models.checkpoint import TrustWarning
from prunescope.models.load import load_file, load_module, untrained

SHAPE = (1, 8, 8)


def make():
    return build(MODELS.build("convnet"), SHAPE, 10, seed=0)


@pytest.fixture
def trained():
    return build(MODELS.build("convnet"), SHAPE, 10, seed=1).eval()


IMAGES = torch.rand(4, *SHAPE, generator=torch.Generator().manual_seed(0))


def test_a_state_dict_gives_its_network(trained, tmp_path):
    torch.save({"state_dict": {f"module.{n}": t for n, t in trained.state_dict().items()}}, tmp_path / "net.pth")
    loaded = load_file(tmp_path / "net.pth", make)
    assert torch.equal(loaded.net(IMAGES), trained(IMAGES))
    assert not loaded.net.training and loaded.masks == {} and loaded.notes == ()


def test_masks_of_torch_prune_come_along(trained, tmp_path):
    layer = next(m for m in trained.modules() if isinstance(m, nn.Conv2d))
    prune.l1_unstructured(layer, "weight", 0.5)
    torch.save(trained.state_dict(), tmp_path / "net.pt")
    loaded = load_file(tmp_path / "net.pt", make)
    assert torch.equal(loaded.net(IMAGES), trained(IMAGES))
    [mask] = loaded.masks.values()
    assert float(mask.float().mean()) == 0.5


def test_a_pickled_module_needs_no_model_but_trust(trained, tmp_path):
    torch.save(trained, tmp_path / "net.pt")
    with pytest.warns(TrustWarning):
        loaded = load_file(tmp_path / "net.pt", None, trust=True)
    assert torch.equal(loaded.net(IMAGES), trained(IMAGES)) and len(loaded.notes) == 1


def test_weights_without_their_network_are_refused(trained, tmp_path):
    torch.save(trained.state_dict(), tmp_path / "net.pt")
    with pytest.raises(PrunescopeError, match="needs its network; expected --model"):
        load_file(tmp_path / "net.pt", None)


def test_errors_name_the_file(trained, tmp_path):
    weights = {name: tensor * float("nan") for name, tensor in trained.state_dict().items()}
    torch.save(weights, tmp_path / "net.pt")
    with pytest.raises(PrunescopeError, match=r"net.pt: .*weights are not finite"):
        load_file(tmp_path / "net.pt", make)


def test_a_module_in_memory_is_copied(trained):
    loaded = load_module(trained.train())
    assert trained.training and not loaded.net.training
    assert not {id(p) for p in trained.parameters()} & {id(p) for p in loaded.net.parameters()}


class Output:
    def __init__(self, logits):
        self.logits = logits


@pytest.mark.parametrize("wrap", [Output, lambda logits: {"logits": logits}])
def test_a_module_that_returns_logits_by_name_gives_them(wrap):
    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(64, 3)

        def forward(self, pixel_values):
            return wrap(self.linear(pixel_values.flatten(1)))

    loaded = load_module(Classifier())
    assert loaded.net(IMAGES).shape == (4, 3) and list(loaded.net.state_dict()) == ["linear.weight", "linear.bias"]


def test_untrained_networks_differ_and_depend_on_the_seed_alone(trained):
    first, again, other = untrained(trained, 0), untrained(trained, 0), untrained(trained, 1)
    assert torch.equal(first(IMAGES), again(IMAGES))
    assert not torch.equal(first(IMAGES), other(IMAGES)) and not torch.equal(first(IMAGES), trained(IMAGES))


def quantized(net):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, about its next releases
        return torch.ao.quantization.quantize_dynamic(net, {nn.Linear}, dtype=torch.qint8)


def scripted(net):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(net)


@pytest.mark.parametrize("change", [quantized, scripted])
def test_a_module_without_readable_weights_is_a_black_box(change):
    net = change(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).eval())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = load_module(net)
        assert torch.equal(copy.deepcopy(loaded.net)(IMAGES), net(IMAGES))
    assert loaded.notes == ("its weights cannot be read",) and list(loaded.net.state_dict()) == []
