import numpy as np
import pytest
import torch

from prunescope import similarity
from prunescope.measures import MEASURES, Populations
from prunescope.measures.representation import Representation, layer_values
from tests.measures.conftest import changed, populations

NAMES = [name for name in MEASURES.names() if issubclass(MEASURES.get(name), Representation)]
WIDTHS = {"conv": 4, "fc": 6}


def network(seed, noise=0.0, base=0):
    shared, own = (torch.Generator().manual_seed(s) for s in (base, seed))
    return {
        layer: torch.randn(200, width, generator=shared) + noise * torch.randn(200, width, generator=own)
        for layer, width in WIDTHS.items()
    }


def shown(noise=0.5, networks=3, change=None):
    """Dense networks that share what they represent, up to their own noise; pruned ones with more noise."""
    plain = populations(networks=networks)

    def side(subjects, of):
        networks = [of(i) for i in range(len(subjects))]
        return tuple(changed(s, activations=a) for s, a in zip(subjects, networks, strict=True))

    pruned = [network(100 + i, noise) for i in range(networks)]
    for subject in pruned:
        if change is not None:
            change(subject)
    return Populations(
        dense=side(plain.dense, lambda i: network(i, 0.3)),
        pruned=side(plain.pruned, lambda i: pruned[i]),
        untrained=side(plain.dense, lambda i: network(200 + i, base=900 + i)),
    )


def of(measurement, quantity):
    return {v.item: v for v in measurement.values if v.quantity == quantity and v.seed is None}


def test_there_is_one_measure_for_each_metric():
    assert NAMES == ["cca", "cka", "nbs", "pwcca", "svcca"]


@pytest.mark.parametrize("name", NAMES)
def test_layers_carry_means_over_networks_and_their_own_seeds(name):
    whole, found = shown(), MEASURES.build(name)(shown())
    sides = [(pair.dense.activations["fc"], pair.pruned.activations["fc"]) for pair in whole.pairs]
    expected = [similarity.layer_grid([dense], [pruned], name)[0, 0] for dense, pruned in sides]
    layer = of(found, "similarity")["fc"]
    assert layer.value == pytest.approx(np.mean(expected))
    assert [v.value for v in found.values if v.seed is not None and v.item == "fc"] == pytest.approx(expected)
    assert layer.low <= layer.value <= layer.high
    assert layer.n == 200
    assert of(found, "mean")[""].value == pytest.approx(np.mean([v.value for v in of(found, "similarity").values()]))
    assert of(found, "lowest")[""].value == min(v.value for v in of(found, "similarity").values())


@pytest.mark.parametrize("name", NAMES)
def test_floors_are_ordered_as_they_must_be(name):
    found = MEASURES.build(name)(shown(noise=0.1))
    for layer in WIDTHS:
        close, separate = of(found, "similarity")[layer], of(found, "separate")[layer]
        assert separate.value < close.value
        assert close.floor == pytest.approx(separate.value)
        assert of(found, "untrained")[layer].value < separate.value
        assert of(found, "permuted")[layer].value < separate.value


def test_the_grid_holds_the_layers_on_its_diagonal_and_is_left_out_for_unequal_rows():
    found = MEASURES.build("cka")(shown())
    diagonal = [v.value for v in of(found, "similarity").values()]
    assert np.diag(found.arrays["grid"]) == pytest.approx(diagonal)
    fewer = MEASURES.build("cka")(
        Populations(
            dense=tuple(changed(s, activations=_cut(s)) for s in shown().dense),
            pruned=tuple(changed(s, activations=_cut(s)) for s in shown().pruned),
        )
    )
    assert "grid" not in fewer.arrays
    assert of(fewer, "similarity").keys() == WIDTHS.keys()


def _cut(subject):
    return {"conv": subject.activations["conv"], "fc": subject.activations["fc"][:100]}


def test_a_dead_layer_is_left_out_with_its_reason_and_dead_units_are_counted():
    found = MEASURES.build("cka")(shown(change=lambda net: net.update(conv=torch.ones(200, 4))))
    assert of(found, "similarity").keys() == {"fc"}
    assert any(note.startswith("conv left out: every feature is constant") for note in found.notes)

    def one_dead_unit(net):
        net["fc"][:, 2] = 0.5

    found = MEASURES.build("pwcca")(shown(change=one_dead_unit))
    facts = {name: of(found, name)["fc"].value for name in ("features", "dropped", "rank")}
    assert facts == {"features": 6, "dropped": 1, "rank": 5}
    assert [of(found, f"dense_{name}")["fc"].value for name in facts] == [6, 0, 6]


def test_nothing_to_compare_is_not_applicable():
    dead = shown(change=lambda net: net.update(conv=torch.ones(200, 4), fc=torch.ones(200, 6)))
    found = MEASURES.build("nbs")(dead)
    assert found.status == "not applicable"
    assert "conv: every feature is constant" in found.reason


def test_too_few_examples_for_cca_are_refused_or_noted():
    values, refused = layer_values({"a": torch.randn(5, 5)}, {"a": torch.randn(5, 5)}, "cca")
    assert values == {}
    assert "a" in refused

    def short(subject):
        return {layer: x[:30] for layer, x in subject.activations.items()}

    few = Populations(
        dense=tuple(changed(s, activations=short(s)) for s in shown().dense),
        pruned=tuple(changed(s, activations=short(s)) for s in shown().pruned),
    )
    assert any("examples for" in note for note in MEASURES.build("cca")(few).notes)


def test_one_network_has_no_interval_and_no_separate_floor():
    found = MEASURES.build("cka")(shown(networks=1))
    layer = of(found, "similarity")["fc"]
    assert (layer.low, layer.high, layer.floor) == (None, None, None)
    assert "separate" not in {v.quantity for v in found.values}


def test_the_rank_is_that_of_the_directions_compared():
    kept = MEASURES.build({"svcca": {"variance": 0.5}})(shown())
    assert of(kept, "rank")["fc"].value < of(MEASURES.build("cca")(shown()), "rank")["fc"].value == 6
    assert not of(MEASURES.build("cka")(shown()), "rank")


def test_options_reach_the_metric():
    biased = MEASURES.build({"cka": {"debiased": False}})(shown())
    assert of(biased, "similarity")["fc"].value != of(MEASURES.build("cka")(shown()), "similarity")["fc"].value
    assert MEASURES.build({"svcca": {"variance": 0.5}}).options() == {"variance": 0.5}
    assert MEASURES.build({"cka": "all"}).inference("activations").layers == "all"
