import copy
import sys

import numpy as np
import pytest
import torch

from prunescope.core.errors import PrunescopeError
from prunescope.models.onnx_network import OnnxNetwork, onnx_files

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

SHAPE = (1, 3, 3)
RNG = np.random.default_rng(0)
WEIGHT, BIAS = np.rint(RNG.normal(size=(4, 9)) * 4) / 2, RNG.normal(size=4)
IMAGES = torch.rand(7, *SHAPE, generator=torch.Generator().manual_seed(0))


def expected():
    return IMAGES.flatten(1).double() @ torch.from_numpy(WEIGHT).T + torch.from_numpy(BIAS)


@pytest.fixture
def write(tmp_path):
    from tests.models.onnx_files import write_linear

    return lambda **options: write_linear(tmp_path / "net.onnx", WEIGHT, BIAS, SHAPE, **options)


@pytest.mark.parametrize("options", [{}, {"batch": 1}, {"batch": 3}, {"external": True}, {"quantized": True}])
def test_it_computes_what_the_file_says(write, options):
    net = OnnxNetwork(write(**options))
    for module in (net, copy.deepcopy(net)):
        assert torch.allclose(module(IMAGES).double(), expected(), atol=1e-5)


@pytest.mark.parametrize("quantized", [False, True])
def test_its_weights_hang_below_it_under_their_names(write, quantized):
    net = OnnxNetwork(write(quantized=quantized))
    [(name, weight)] = net.named_parameters()
    assert name == "fc.weight" and torch.equal(weight == 0, torch.from_numpy(WEIGHT == 0))


def test_external_data_belongs_to_the_network(write, tmp_path):
    assert onnx_files(write(external=True)) == [tmp_path / "net.onnx", tmp_path / "net.data"]
    assert onnx_files(write()) == [tmp_path / "net.onnx"]


def test_other_images_are_refused(write):
    with pytest.raises(PrunescopeError, match=r"cannot take these images; expected \[1, 3, 3\], got \[1, 5, 5\]"):
        OnnxNetwork(write())(torch.zeros(2, 1, 5, 5))


def test_what_is_no_onnx_file_is_refused(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"nothing")
    with pytest.raises(PrunescopeError, match="not a readable ONNX file"):
        OnnxNetwork(tmp_path / "net.onnx")


@pytest.mark.parametrize("library", ["onnx", "onnxruntime"])
def test_a_missing_library_is_told_with_what_to_install(write, library, monkeypatch):
    path = write()
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(PrunescopeError, match=rf"{library} is not installed.*prunescope\[onnx\]"):
        OnnxNetwork(path)
