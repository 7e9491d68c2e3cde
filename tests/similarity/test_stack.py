from __future__ import annotations

import numpy as np
import pytest
import torch

from prunescope.similarity import stack
from prunescope.similarity.representation import represent

WIDTHS_X, WIDTHS_Y = (3, 5, 5, 1), (4, 2, 9)


def layers(widths, n=50, seed=0):
    rng = np.random.default_rng(seed)
    return represent([rng.normal(size=(n, width)) + 3 for width in widths], ["layer"] * len(widths))


@pytest.fixture(params=[(stack.CACHED_VALUES, stack.MAX_COLUMNS), (1, 6)], ids=["one tile", "tiles and chunks"])
def tiled(request, monkeypatch):
    """The sizes as they are, and so small that every loop turns several times."""
    values, columns = request.param
    monkeypatch.setattr(stack, "CACHED_VALUES", values)
    monkeypatch.setattr(stack, "GRAM_VALUES", values)
    monkeypatch.setattr(stack, "MAX_COLUMNS", columns)
    if values == 1:
        monkeypatch.setattr(stack, "PRODUCT_DEPTH", 7)


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


def direct(xs, ys):
    a, b = [x.centred() for x in xs], [y.centred() for y in ys]
    return stack.LinearStatistics(
        torch.stack([torch.stack([(x.T @ y).square().sum() for y in b]) for x in a]),
        torch.stack([(x.T @ x).square().sum() for x in a]),
        torch.stack([(y.T @ y).square().sum() for y in b]),
        torch.stack([x.square().sum(1) for x in a]),
        torch.stack([y.square().sum(1) for y in b]),
    )


@pytest.mark.parametrize("route", [stack.feature_statistics, stack.gram_statistics])
def test_both_routes_give_the_sums_of_the_pairs(tiled, threads, route):
    xs, ys = layers(WIDTHS_X), layers(WIDTHS_Y, seed=1)
    for found, expected in zip(route(xs, ys), direct(xs, ys), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("route", [stack.feature_statistics, stack.gram_statistics])
def test_a_square_grid_gives_the_sums_of_two_equal_sides(tiled, route):
    xs = layers(WIDTHS_X)
    for found, expected in zip(route(xs, xs), direct(xs, xs), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_cross_products_come_once_for_every_pair(tiled):
    xs, ys = layers(WIDTHS_X), layers(WIDTHS_Y, seed=1)
    found = {(i, j): product.clone() for i, j, product in stack.cross_products(xs, ys)}
    assert list(found) == sorted(found) or len(found) == len(xs) * len(ys)
    for (i, j), product in found.items():
        torch.testing.assert_close(product, xs[i].centred().T @ ys[j].centred())
    assert set(found) == {(i, j) for i in range(len(xs)) for j in range(len(ys))}


@pytest.mark.parametrize(("n", "width", "route"), [(2000, 20, "feature_statistics"), (20, 2000, "gram_statistics")])
def test_the_cheaper_route_is_taken(monkeypatch, n, width, route):
    taken = []
    for name in ("feature_statistics", "gram_statistics"):
        monkeypatch.setattr(stack, name, lambda xs, ys, name=name: taken.append(name))
    stack.linear_statistics(layers([width], n=n), layers([width], n=n))
    assert taken == [route]


def test_a_product_of_two_groups_of_layers_stays_in_memory():
    groups = stack._groups(layers([5000, 3000, 200, 9000, 10], n=2))
    assert [[layer.width for layer in group] for group in groups] == [[5000, 3000], [200], [9000], [10]]
