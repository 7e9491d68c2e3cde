import io

import pytest

from prunescope.study.display import Display
from prunescope.study.node import make_node
from prunescope.study.remaining import Remaining
from prunescope.study.runners import Event


def nodes(*kinds):
    return [make_node(kind, {"number": i}, {}, {}) for i, kind in enumerate(kinds)]


def told(left, *events):
    for what, node, *rest in events:
        left.take(Event(what=what, node=node, **(rest[0] if rest else {})))
    return left


def test_measures_weigh_little_until_one_has_ended():
    first, second, *measures = nodes("logits", "logits", *["measure"] * 10)
    left = told(Remaining(), *(("planned", node) for node in (first, second, *measures)))
    assert left.share == 0 and left.seconds(3.0) is None
    told(left, ("started", first), ("running", first, {"share": 0.5}))
    assert left.share == pytest.approx(0.5 / 2.5) and left.seconds(2.0) == pytest.approx(8)
    told(left, ("done", first, {"seconds": 4.0}))
    assert left.share == pytest.approx(4 / 10)
    told(left, ("done", second, {"seconds": 4.0}), ("done", measures[0], {"seconds": 1.0}))
    assert left.share == pytest.approx(9 / 18)


def test_all_done_leaves_nothing():
    [node] = nodes("train")
    left = told(Remaining(), ("planned", node), ("done", node, {"seconds": 2.0}))
    assert left.share == 1 and left.seconds(2.0) == 0


def test_plain_lines_tell_nodes_time_and_what_runs(monkeypatch):
    monkeypatch.setattr("prunescope.study.display.PLAIN_SECONDS", 0.0)
    stream = io.StringIO()
    first, second = nodes("train", "logits")
    with Display(stream) as display:
        for what, node in (("planned", first), ("planned", second), ("started", first), ("done", first)):
            display.show(Event(what=what, node=node, seconds=1.0), 2)
        display.show(Event(what="failed", node=second, hint="[bold]no"), 2)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "0 of 2 nodes, unknown time left; running: 1 train"
    assert lines[1].startswith("1 of 2 nodes, 0 s left") and lines[2].endswith("[bold]no")
    assert str(display) == "2 of 2 nodes"
