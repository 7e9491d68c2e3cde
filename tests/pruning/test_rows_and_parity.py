import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from prunescope.core.errors import PrunescopeError
from prunescope.pruning import Budget, Mask
from prunescope.pruning.budget import row_counts, select_rows
from prunescope.pruning.parity import edges_for_nodes, nodes_for_edges, parity_budget

# Acharyya et al. (UAI 2021): what equal numbers of parameters leave in their networks
TEACHER_STUDENT = {500: [83, 166, 250, 333, 417], 100: [16, 33, 50, 66, 83]}
MNIST = {78: 226, 156: 256, 235: 287, 313: 317, 392: 348, 470: 378, 548: 409, 627: 439, 705: 470}


@pytest.mark.parametrize("inputs", TEACHER_STUDENT)
def test_teacher_student_edges_of_one_to_five_nodes_out_of_six(inputs):
    told = [edges_for_nodes(k, inputs=inputs, hidden=6, outputs=1) for k in range(1, 6)]
    assert told == TEACHER_STUDENT[inputs]
    assert edges_for_nodes(6, inputs=inputs, hidden=6, outputs=1) == inputs


def test_mnist_nodes_of_the_published_edges():
    assert [int(p * 784 / 10) for p in range(1, 10)] == list(MNIST)
    assert [nodes_for_edges(e, inputs=784, hidden=500, outputs=500) for e in MNIST] == list(MNIST.values())


def test_cifar_nodes_of_the_published_edges():
    edges = [p * 3072 // 10 for p in range(1, 10)]
    told = [nodes_for_edges(e, inputs=3072, hidden=1000, outputs=1000) for e in edges]
    assert (told[0], told[-1]) == (321, 925)
    assert told == sorted(told)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 60), st.data())
def test_the_parameters_agree_to_within_one_node_or_one_edge_a_node(inputs, hidden, outputs, data):
    edges = data.draw(st.integers(0, inputs))
    nodes = nodes_for_edges(edges, inputs=inputs, hidden=hidden, outputs=outputs)
    cost = hidden * (edges + outputs)
    assert 0 <= nodes * (inputs + outputs) - cost < inputs + outputs
    back = edges_for_nodes(nodes, inputs=inputs, hidden=hidden, outputs=outputs)
    assert abs(2 * (hidden * (back + outputs) - nodes * (inputs + outputs))) <= hidden


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: nodes_for_edges(785, inputs=784, hidden=500, outputs=500), "edges out of range"),
        (lambda: nodes_for_edges(-1, inputs=784, hidden=500, outputs=500), "edges out of range"),
        (lambda: nodes_for_edges(1, inputs=784, hidden=0, outputs=500), "edges out of range"),
        (lambda: edges_for_nodes(501, inputs=784, hidden=500, outputs=500), "nodes out of range"),
        (lambda: edges_for_nodes(194, inputs=784, hidden=500, outputs=500), "at least 195 nodes"),
        (lambda: edges_for_nodes(0, inputs=1, hidden=5, outputs=1), "at least 3 nodes"),
    ],
)
def test_budgets_that_cannot_agree_are_refused(call, told):
    with pytest.raises(PrunescopeError, match=told):
        call()


@given(st.lists(st.integers(0, 9), min_size=1, max_size=8), st.integers(0, 80))
def test_rows_share_as_equally_as_they_can(alive, count):
    count = min(count, sum(alive))
    told = row_counts(torch.tensor(alive), count).tolist()
    assert sum(told) == count
    assert all(0 <= t <= a for t, a in zip(told, alive, strict=True))
    assert all(t == a for t, a in zip(told, alive, strict=True) if t < max(told) - 1)
    full = [t for t, a in zip(told, alive, strict=True) if t < a]
    assert full == sorted(full, reverse=True)  # what is left over goes to the earlier rows


@given(st.data())
def test_rows_keep_their_highest_scores_with_ties_and_a_mask(data):
    rows = data.draw(st.lists(st.lists(st.integers(0, 3), min_size=5, max_size=5), min_size=1, max_size=4))
    alive = torch.tensor(data.draw(st.lists(st.booleans(), min_size=5 * len(rows), max_size=5 * len(rows))))
    alive = alive.view(len(rows), 5)
    mask = Mask({"a": alive})
    budget = Budget.of_remaining(mask, remove=data.draw(st.floats(0, 0.99)), scope="layer")
    chosen = select_rows({"a": torch.tensor(rows, dtype=torch.float)}, mask, budget)["a"]
    assert int(chosen.sum()) == budget.kept
    for row, living, kept in zip(rows, alive.tolist(), chosen, strict=True):
        order = sorted((i for i in range(5) if living[i]), key=lambda i: (-row[i], i))
        assert set(kept.nonzero().flatten().tolist()) == set(order[: int(kept.sum())])


def test_scores_of_minus_infinity_stay_behind_nothing_but_higher_ones():
    mask = Mask({"a": torch.tensor([[False, True, True]])})
    scores = {"a": torch.tensor([[5.0, float("-inf"), float("-inf")]])}
    assert select_rows(scores, mask, Budget(counts={"a": 1}, scope="layer"))["a"].tolist() == [[False, True, False]]
    with pytest.raises(PrunescopeError, match="a score is NaN"):
        select_rows({"a": torch.full((1, 3), torch.nan)}, mask, Budget(counts={"a": 1}, scope="layer"))


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(0, 50), min_size=1), st.floats(0, 0.999))
def test_a_global_budget_takes_the_same_share_of_every_layer(alive, remove):
    counts = {name: (kept, 60) for name, kept in alive.items()}
    budget = Budget.of_remaining(counts, remove=remove)
    told = budget.shared_out(counts)
    assert sum(told.values()) == budget.kept
    total = sum(alive.values())
    assert all(0 <= told[n] <= alive[n] for n in alive)
    assert all(abs(told[n] - budget.kept * alive[n] / max(total, 1)) < 1 for n in alive)


def test_a_layer_budget_is_taken_as_it_is():
    budget = Budget.of_total({"a": (500, 500), "b": (90, 100)}, sparsity=0.548, scope="layer")
    assert budget.shared_out({}) == {"a": 226, "b": 45}


def test_the_published_nodes_are_the_budget_of_a_network():
    shapes = {"1": (500, 784), "2": (500, 500)}
    mask = Mask({name: torch.ones(shape, dtype=torch.bool) for name, shape in shapes.items()})
    told = [parity_budget(mask, {"1": "2"}, sparsity=1 - p / 10).counts["1"] for p in range(1, 10)]
    assert told == list(MNIST.values())
    few = Mask({"1": mask["1"] & (torch.arange(500) < 200)[:, None], "2": mask["2"] & (torch.arange(500) < 200)})
    with pytest.raises(PrunescopeError, match="more is pruned already"):
        parity_budget(few, {"1": "2"}, sparsity=0.9)
