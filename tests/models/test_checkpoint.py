import argparse
import os
import pickle
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.models.checkpoint import TrustWarning, read_checkpoint

WEIGHTS = {"weight": torch.arange(6.0).view(2, 3), "bias": torch.ones(2)}


class Malicious:
    """Unpickling this runs a command that leaves a file behind."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.system, (f"touch {self.trace}",)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda w: w,
        OrderedDict,
        lambda w: {"state_dict": w, "best_prec1": 91.7},
        lambda w: {"model": w, "epoch": 3, "optimizer": {"state": {}}},
        lambda w: {"epoch": torch.tensor(3), "model_state_dict": w},
        lambda w: {"net": {"state_dict": w}},
        lambda w: {"state_dict": w, "acc": np.float64(0.9), "args": argparse.Namespace(lr=0.1)},
    ],
)
@pytest.mark.parametrize("suffix", [".pt", ".pth", ".th", ".pth.tar"])
def test_the_weights_are_found_wherever_programs_put_them(wrap, suffix, tmp_path):
    torch.save(wrap(WEIGHTS), tmp_path / f"net{suffix}")
    held = read_checkpoint(tmp_path / f"net{suffix}")
    assert held.module is None and held.notes == ()
    assert all(torch.equal(held.tensors[name], tensor) for name, tensor in WEIGHTS.items())
    assert held.tensors.keys() == WEIGHTS.keys()


def test_safetensors_are_read(tmp_path):
    save_file(WEIGHTS, tmp_path / "net.safetensors")
    assert torch.equal(read_checkpoint(tmp_path / "net.safetensors").tensors["weight"], WEIGHTS["weight"])


@pytest.mark.parametrize("save", [torch.save, lambda held, path: path.write_bytes(pickle.dumps(held, protocol=2))])
@pytest.mark.parametrize("place", [lambda evil: evil, lambda evil: {"state_dict": WEIGHTS, "extra": evil}])
def test_a_malicious_pickle_is_refused_and_never_executed(save, place, tmp_path):
    trace, path = tmp_path / "trace", tmp_path / "net.pt"
    save(place(Malicious(trace)), path)
    with pytest.raises(PrunescopeError, match=r"would run code.*--trust"):
        read_checkpoint(path)
    assert not trace.exists()


def test_a_whole_module_needs_trust_and_then_warns(tmp_path):
    path = tmp_path / "net.pt"
    torch.save({"model": nn.Linear(3, 2), "epoch": 1}, path)
    with pytest.raises(PrunescopeError, match=r"would run code.*torch.nn.modules.linear.Linear.*trust"):
        read_checkpoint(path)
    with pytest.warns(TrustWarning, match=r"net.pt was unpickled with trust"):
        held = read_checkpoint(path, trust=True)
    assert isinstance(held.module, nn.Linear) and "trust" in held.notes[0]


def test_trust_is_not_used_where_it_is_not_needed(tmp_path):
    torch.save(WEIGHTS, tmp_path / "net.pt")
    assert read_checkpoint(tmp_path / "net.pt", trust=True).notes == ()


@pytest.mark.parametrize("name", ["net.pt", "net.safetensors"])
def test_what_is_no_checkpoint_is_refused(name, tmp_path):
    with pytest.raises(PrunescopeError, match="no such file"):
        read_checkpoint(tmp_path / name)
    (tmp_path / name).write_bytes(b"not a checkpoint at all")
    with pytest.raises(PrunescopeError, match="not a readable") as caught:
        read_checkpoint(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value) and len(str(caught.value).splitlines()) < 3


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "net.pt"
    torch.save(WEIGHTS, path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(PrunescopeError, match="not a readable checkpoint"):
        read_checkpoint(path)


@pytest.mark.parametrize("held", [{"epoch": 3, "lr": 0.1}, [1, 2], {"state_dict": {}}, torch.ones(2)])
def test_a_file_without_weights_is_refused_and_told(held, tmp_path):
    torch.save(held, tmp_path / "net.pt")
    with pytest.raises(PrunescopeError, match=r"no weights in this file; expected tensors by name, got"):
        read_checkpoint(tmp_path / "net.pt")


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("prunescope.core.expansion.MOST_BYTES", 1000)
    torch.save({"weight": torch.zeros(100_000)}, tmp_path / "plain.pt")
    assert len(read_checkpoint(tmp_path / "plain.pt").tensors) == 1
    with (
        zipfile.ZipFile(tmp_path / "plain.pt") as plain,
        zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for member in plain.namelist():
            bomb.writestr(member, plain.read(member))
    with pytest.raises(PrunescopeError, match=r"bomb\.pt: unpacks to too much"):
        read_checkpoint(tmp_path / "bomb.pt")


@pytest.mark.parametrize("claimed", [None, 2**62])
def test_a_safetensors_header_that_claims_more_than_the_file_holds_is_refused(claimed, tmp_path):
    header = b'{"w":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}'
    (tmp_path / "w.safetensors").write_bytes((claimed or len(header)).to_bytes(8, "little") + header)
    with pytest.raises(PrunescopeError, match="not a readable safetensors file"):
        read_checkpoint(tmp_path / "w.safetensors")
