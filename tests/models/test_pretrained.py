import copy

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.models import MODELS, Pretrained, build
from prunescope.study.artefacts import read_state
from prunescope.study.export import export
from prunescope.study.plan import plan_study
from prunescope.study.run import run
from prunescope.study.store import Store
from prunescope.study.study import load_study

SHAPE = (1, 8, 8)
CONVNET = {"convnet": {"width": 2}}
TRAIN = {"train": {"until": "1ep"}}


def network(seed=0, classes=10, width=2):
    return build(MODELS.build({"convnet": {"width": width}}), SHAPE, classes, seed)


def saved(path, net=None, classes=10):
    """Write the weights of a network whose numbers are like no start's, and return them."""
    weights = {name: t + 1 for name, t in (net or network(7, classes)).state_dict().items()}
    torch.save(weights, path)
    return weights


def same(net, weights):
    return all(torch.equal(tensor, weights[name]) for name, tensor in net.state_dict().items())


@pytest.mark.parametrize("form", ["pt", "wrapped", "safetensors", "half"])
def test_every_form_of_a_state_dict_gives_its_weights(form, tmp_path):
    weights, path = saved(tmp_path / "a.pt"), tmp_path / ("a.safetensors" if form == "safetensors" else "a.pt")
    if form == "wrapped":
        torch.save({"epoch": 3, "state_dict": {f"module.{name}": tensor for name, tensor in weights.items()}}, path)
    elif form == "half":
        weights = {n: t.half().to(t.dtype) for n, t in weights.items()}
        torch.save({n: t.half() if t.is_floating_point() else t for n, t in weights.items()}, path)
    elif form == "safetensors":
        save_file(weights, path)
    assert same(Pretrained(weights=str(path)).load_into(network()), weights)


def test_a_head_for_other_classes_is_left_out_and_starts_from_the_seed(tmp_path):
    weights = saved(tmp_path / "a.pt", classes=100)
    start = Pretrained(weights=str(tmp_path / "a.pt"), leave_out=("linear",))
    for seed in (0, 1):
        net, fresh = start.load_into(network(seed)), network(seed).state_dict()
        assert same(net, weights | {name: fresh[name] for name in ("linear.weight", "linear.bias")})
    assert not torch.equal(network(0).linear.weight, network(1).linear.weight)


def test_a_head_of_another_form_is_left_out_too(tmp_path):
    """The file's ``linear.weight`` and the network's ``linear.0.weight`` are both the head."""
    saved(tmp_path / "a.pt")
    net = network()
    net.linear = nn.Sequential(nn.Linear(8, 5), nn.Linear(5, 3))
    body = Pretrained(weights=str(tmp_path / "a.pt"), leave_out=("linear",)).load_into(net)
    assert torch.equal(body.conv1.weight, network(7).conv1.weight + 1)


def test_weights_of_another_data_set_start_the_network_of_the_prune_and_regrow_study(tmp_path):
    """Its paper size: a ResNet-18 with 1000 classes and one linear layer as head goes into one with a hidden head."""
    published = {"stem": "imagenet", "width": 2}
    weights = saved(tmp_path / "a.pt", build(MODELS.build({"resnet18": published}), (3, 32, 32), 1000, 0))
    paper = load_study("prune-and-regrow", size="paper")
    small = paper.model.model_copy(update={"width": 2})
    start = paper.init.model_copy(update={"weights": str(tmp_path / "a.pt")})
    net = start.load_into(build(small, (3, 32, 32), 10, 0)).state_dict()
    assert all(torch.equal(net[name], tensor) for name, tensor in weights.items() if not name.startswith("fc"))
    assert net["fc.2.weight"].shape == (10, 100)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (
            lambda: network(classes=3),
            r"shapes differ; got linear.weight \[3, 8\] in the network, \[10, 8\] in",
        ),
        (lambda: network(width=3), r"conv1.weight \[3, 1, 3, 3\] in the network, \[2, 1, 3, 3\] in the file"),
        (lambda: nn.Sequential(nn.Linear(4, 2)), r"2 missing from the file: 0.weight.* unexpected in the file: conv1"),
    ],
)
def test_what_does_not_fit_is_refused_by_name_and_shape_and_leaves_the_network_alone(made, told, tmp_path):
    saved(tmp_path / "a.pt")
    net = made()
    before = copy.deepcopy(net.state_dict())
    with pytest.raises(PrunescopeError, match=told) as caught:
        Pretrained(weights=str(tmp_path / "a.pt")).load_into(net)
    assert "a.pt" in str(caught.value) and "leave_out: [its layer]" in str(caught.value)
    assert same(net, before)


def test_a_pattern_that_fits_nothing_is_refused(tmp_path):
    saved(tmp_path / "a.pt")
    with pytest.raises(PrunescopeError, match=r"init.leave_out: unknown .* 'linaer'.*did you mean 'linear'"):
        Pretrained(weights=str(tmp_path / "a.pt"), leave_out=("linaer",)).load_into(network())


def test_a_file_is_its_content_wherever_it_lies(tmp_path):
    saved(tmp_path / "a.pt")
    (tmp_path / "b.pt").write_bytes((tmp_path / "a.pt").read_bytes())
    one, other = (Pretrained(weights=str(tmp_path / name)) for name in ("a.pt", "b.pt"))
    assert one.identity() == other.identity() and str(tmp_path) not in str(one.identity())
    assert Pretrained.model_validate(one.canonical()) == one
    saved(tmp_path / "b.pt", network(8))
    assert Pretrained(weights=str(tmp_path / "b.pt")).identity() != one.identity()
    with pytest.raises(PrunescopeError, match=r"b\.pt: the file of weights has changed"):
        other.load_into(network())
    with pytest.raises(PrunescopeError, match="has changed"):
        load_study(study(init=other.canonical()))


@pytest.mark.parametrize(
    ("init", "told"),
    [
        ("nowhere.pt", "init: no such file, and no name on the hub; got nowhere.pt"),
        ("./owner/name", "no such file"),
        ({"leave_out": ["fc"]}, "init.weights"),
        ({"weights": "owner/name", "leaveout": []}, "did you mean 'leave_out'"),
        (3, "init"),
    ],
)
def test_what_is_no_file_is_refused_before_anything_runs(init, told):
    with pytest.raises(PrunescopeError, match=told):
        load_study(study(init=init))


def test_a_file_that_holds_no_weights_is_refused(tmp_path):
    (tmp_path / "a.pt").write_bytes(b"no checkpoint")
    with pytest.raises(PrunescopeError, match=r"a\.pt: not a readable checkpoint"):
        Pretrained(weights=str(tmp_path / "a.pt")).load_into(network())


def test_a_model_of_the_hub_is_named_not_hashed_and_fetched_when_its_network_is_made(tmp_path, monkeypatch):
    weights = saved(tmp_path / "model.safetensors")
    save_file(weights, tmp_path / "model.safetensors")
    asked = []

    def fetched(name, file, *, revision):
        asked.append((name, file, revision))
        return str(tmp_path / "model.safetensors")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fetched)
    start = load_study(study(init={"weights": "owner/net", "revision": "abc"})).init
    assert start.identity() == {"hub": {"name": "owner/net", "file": "model.safetensors", "revision": "abc"}}
    assert asked == []
    assert same(start.load_into(network()), weights)
    assert asked == [("owner/net", "model.safetensors", "abc")]
    with pytest.raises(PrunescopeError, match="has changed"):
        Pretrained(weights="owner/net", digest="0" * 64).load_into(network())
    pinned = Pretrained(weights=str(tmp_path / "model.safetensors"))
    assert Pretrained(weights="owner/net", digest=pinned.digest).identity() == pinned.identity()


def test_a_download_that_cannot_be_had_says_so_and_nothing_trained_is_written(tmp_path, monkeypatch):
    def unreachable(*_, **__):
        raise ConnectionError("name not known\nand more")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", unreachable)
    summary = run(study(init="owner/net"), store=tmp_path / "store", on="inline")
    [told] = set(summary.failed.values())
    assert told == (
        "owner/net: model.safetensors: cannot be loaded from the hub; got ConnectionError: name not known. Without "
        "network, pass a file of the weights instead of the name"
    )
    assert [folder.parent.parent.name for folder in Store(tmp_path / "store").folders()] == ["data"]


def study(**changes):
    prune = {"prune": {"criterion": "magnitude", "sparsity": 0.5}}
    recipes = {"dense": [TRAIN], "early": [prune]}
    base = {"name": "begun", "data": "digits", "model": CONVNET, "seeds": 2, "recipes": recipes}
    return {**base, "measures": ["compression"], **changes}


def test_a_study_starts_from_what_another_one_exported(tmp_path):
    store = Store(tmp_path / "store")
    assert run(study(), store=store.root, on="inline").complete
    file = export(study(), tmp_path / "first.safetensors", recipe="dense", store=store.root)
    begun = study(init=str(file))
    assert run(begun, store=store.root, on="inline").complete
    plan, first = plan_study(load_study(begun)), plan_study(load_study(study()))
    reached = read_state(store, next(c.state for c in first.cells if (c.recipe, c.seed) == ("dense", 0)))[0]
    starts = [read_state(store, cell.initial)[0] for cell in plan.cells if cell.recipe == "early"]
    assert [start.seed for start in starts] == [0, 1]
    assert all(torch.equal(s.weights[n], t) for s in starts for n, t in reached.weights.items())
    assert not {cell.state for cell in plan.cells} & {cell.state for cell in first.cells}
    moved = study(init=str(file.rename(tmp_path / "elsewhere.safetensors")))
    assert {c.state for c in plan_study(load_study(moved)).cells} == {cell.state for cell in plan.cells}
