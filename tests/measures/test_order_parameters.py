"""Order parameters of students: closed forms, sampled inputs, many masks, and what does not apply."""

from itertools import combinations

import numpy as np
import pytest
import torch

from prunescope.core.statistics import spread_interval
from prunescope.data import Teacher
from prunescope.measures import MEASURES, Populations
from prunescope.measures.order_parameters import between, in_blocks, overlaps
from prunescope.measures.students import Students
from prunescope.theory import align, node_error, random_edge_error
from tests.measures import students as made

MEASURE = MEASURES.build("order_parameters")


@pytest.fixture(autouse=True)
def orthogonal(monkeypatch):
    monkeypatch.setattr(Teacher, "network", made.orthogonal_network)


def test_a_converged_student_makes_no_error_and_shows_its_blocks():
    found = MEASURE(made.populations([made.ideal(0, (0, 1, 1, 0, 1, 0), [1, -1, 1, 1, -1, -1])]))
    assert found["error"].value == pytest.approx(0, abs=1e-6)
    assert found["rise"].value == 0 and found["kept"].value == 1 and found["unconverged"].value == 0
    assert found["error"].floor is None
    np.testing.assert_allclose(found.arrays["q"], np.kron(np.eye(2), np.ones((3, 3))), atol=1e-6)
    np.testing.assert_allclose(found.arrays["r"], np.kron(np.eye(2), np.ones((3, 1))), atol=1e-6)
    np.testing.assert_allclose(found.arrays["t"], np.eye(2), atol=1e-6)


def test_random_edges_lie_on_the_closed_form():
    generator, parents = torch.Generator().manual_seed(0), [made.ideal(seed) for seed in range(2)]
    dense = [parent for parent in parents for _ in range(40)]
    found = MEASURE(made.populations(dense, [made.random_edges(parent, 33, generator) for parent in dense]))
    expected = random_edge_error(0.33, z=3, m=2, v_star=4.0)
    assert found["error"].n == 80
    assert found["error"].value == pytest.approx(expected, abs=0.05)
    assert found["error"].floor == pytest.approx(expected, abs=1e-4)
    ideal = {value.item: value.value for value in found.values if value.quantity == "ideal"}
    assert ideal == {"random edges": pytest.approx(expected)}
    assert found["self_overlap"].value == pytest.approx(0.33, abs=0.02)
    assert found["block_overlap"].value == pytest.approx(0.33**2, abs=0.02)
    assert found["teacher_overlap"].value == pytest.approx(0.33, abs=0.02)


@pytest.mark.parametrize("kind", ["edges", "nodes"])
def test_intervals_over_students_and_masks_hold_the_closed_forms(kind):
    generator, parents = torch.Generator().manual_seed(7), [made.ideal(seed) for seed in range(6)]
    dense = [parent for parent in parents for _ in range(20)]
    for kept, nodes in ((17, 1), (33, 2), (50, 3), (67, 4), (83, 5)):
        if kind == "edges":
            pruned = [made.random_edges(parent, kept, generator) for parent in dense]
        else:
            pruned = [
                made.kept_nodes(parent, torch.randperm(6, generator=generator)[:nodes].tolist()) for parent in dense
            ]
        found = MEASURE(made.populations(dense, pruned))
        error, ideal = found["error"], {v.item: v.value for v in found.values if v.quantity == "ideal"}
        assert error.low - 1e-6 <= ideal[f"random {kind}"] <= error.high + 1e-6


def test_every_choice_of_nodes_has_its_closed_form():
    parent = made.ideal(0)
    for nodes in combinations(range(6), 3):
        found = MEASURE(made.populations([parent], [made.kept_nodes(parent, nodes)]))
        in_first = sum(node < 3 for node in nodes)
        assert found["error"].value == pytest.approx(node_error([in_first, 3 - in_first], z=3, v_star=4.0), abs=1e-5)
        assert found["kept"].value == pytest.approx(0.5)
        ideal = {value.item: value.value for value in found.values if value.quantity == "ideal"}
        assert ideal["best nodes"] - 1e-5 <= found["error"].value <= ideal["worst nodes"] + 1e-5
        assert found["error"].floor == pytest.approx(ideal["random nodes"], abs=1e-5)


def test_the_error_is_that_of_the_network_on_fresh_inputs(monkeypatch):
    monkeypatch.undo()
    state, _ = made.trained(0)
    pruned = made.random_edges(state, 50, torch.Generator().manual_seed(1))
    found = MEASURE(made.populations([state], [pruned]))
    x = np.random.default_rng(0).standard_normal((100_000, made.N)).astype(np.float32)
    with torch.no_grad():
        outputs = pruned.load_into(made.net(0))(torch.from_numpy(x)).numpy()[:, 0]
    losses = 0.5 * (outputs - made.SOURCE.network().outputs(x)) ** 2
    assert found["error"].value == pytest.approx(losses.mean(), abs=4.5 * losses.std() / np.sqrt(len(losses)))
    noisy = Teacher(**made.SOURCE.canonical() | {"noise": 0.5})
    shown = Populations(dense=(made.subject(state, source=noisy),), pruned=(made.subject(pruned, source=noisy),))
    assert MEASURE(shown)["error"].value == pytest.approx(found["error"].value + 0.125)


def test_intervals_are_over_students_and_over_masks():
    values, seeds = np.array([1.0, 3.0, 2.0, 6.0]), [4, 4, 7, 7]
    mean, interval = between(values, seeds)
    assert mean == 3.0 and interval == spread_interval([2.0, 4.0])
    mean, interval = between(values[:2], [4, 4])
    assert mean == 2.0 and interval.low == 1.0 and interval.high == 3.0
    assert between(values[:1], [4]) == (1.0, None)
    assert between(np.ones(4), seeds)[1] == (1.0, 1.0)


def test_each_student_has_its_own_value():
    generator, parents = torch.Generator().manual_seed(0), [made.ideal(seed) for seed in (3, 5)]
    dense = [parent for parent in parents for _ in range(4)]
    found = MEASURE(made.populations(dense, [made.random_edges(parent, 50, generator) for parent in dense]))
    own = {value.seed: value for value in found.values if value.seed is not None}
    errors, seeds = found.arrays["errors"], found.arrays["seeds"]
    assert set(own) == {3, 5} and own[3].n == 4
    assert own[3].value == pytest.approx(errors[seeds == 3].mean()) and own[3].low < own[3].value < own[3].high


def test_unconverged_students_and_unequal_blocks_are_told():
    rng = np.random.default_rng(0)
    lost = made.ideal(1)
    lost.weights["hidden.weight"][0] = torch.from_numpy(rng.standard_normal(made.N)).float()
    found = MEASURE(made.populations([made.ideal(0), lost]))
    assert found["unconverged"].value == 0.5
    assert found.notes == ("student nodes without a teacher before pruning: 1 of seed 1",)
    assert MEASURE(made.populations([made.ideal(0, (0, 0, 0, 0, 0, 1))]))["error"].value == pytest.approx(0, abs=1e-5)


def test_fewer_students_than_teachers_have_no_ideal():
    parent = made.ideal(0, (1,))
    found = MEASURE(made.populations([parent], [made.random_edges(parent, 50, torch.Generator().manual_seed(0))]))
    assert not any(value.quantity in {"ideal", "block_overlap"} for value in found.values)
    assert found["error"].value > found["error"].value - found["rise"].value > 2


def test_a_node_that_is_gone_entirely_does_no_harm():
    parent = made.ideal(0)
    found = MEASURE(made.populations([parent], [made.kept_nodes(parent, [])]))
    assert found["error"].value == pytest.approx(node_error([0, 0], z=3, v_star=4.0), abs=1e-5)
    assert np.isfinite(found.arrays["q"]).all() and found["self_overlap"].value == 0


def test_blocks_keep_the_order_of_the_parent():
    parent = align(np.eye(3), [[0.0, 0.9], [0.6, 0.0], [0.7, 0.0]], np.eye(2))
    form = in_blocks(np.diag([1.0, 2.0, 3.0]), np.array([[0.0, 1.0], [2.0, 0.0], [3.0, 0.0]]), parent)
    assert np.diagonal(form.q).tolist() == [3.0, 2.0, 1.0]
    told = overlaps(form, np.array([0, 0, 1]))
    assert told == {
        "self_overlap": 2.0, "block_overlap": 0.0, "cross_overlap": 0.0, "teacher_overlap": 2.0, "other_overlap": 0.0
    }  # fmt: skip


def test_what_is_not_a_student_of_a_known_teacher_does_not_apply(synthetic):
    assert "rule behind these data" in MEASURE(synthetic.populations()).reason
    relu = Teacher(inputs=made.N, activation="relu")
    shown = (made.subject(made.ideal(0), source=relu),)
    assert "no exact theory" in MEASURE(Populations(dense=shown, pruned=shown)).reason


def test_shares_and_whole_nodes():
    parent = made.ideal(0)
    nodes = Students.of([made.subject(made.kept_nodes(parent, [0, 5]))])
    edges = Students.of([made.subject(made.random_edges(parent, 50, torch.Generator().manual_seed(0)))])
    assert nodes.whole_nodes and nodes.nodes.tolist() == [2] and nodes.share.tolist() == [pytest.approx(2 / 6)]
    assert not edges.whole_nodes and edges.nodes.tolist() == [6]
    assert edges.share.tolist() == [pytest.approx((6 * 50 + 6) / (6 * 101))]
