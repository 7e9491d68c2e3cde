"""Two kinds of evidence that look at a view more than once: under several draws, and without pixel after pixel."""

import pytest
import torch
from torch import nn

from prunescope.data import SHIFTS, Dataset, Normalization
from prunescope.data.shifts import apply_shift
from prunescope.measures import backward_selection, backward_selection_in_rounds
from prunescope.measures.inference import Draws, Logits, Pixels, Seen

NOISE = SHIFTS.build({"uniform_noise": 0.3})


@pytest.fixture(scope="module")
def images():
    return torch.randint(256, (11, 1, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def seen(images):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 4)).eval()
    labels = torch.arange(11) % 4

    def change(part, first, draw):
        return apply_shift(NOISE, part, seed=draw, first_index=first)

    def look(change=change, batch=4):
        return Seen(
            net=net,
            images=images,
            labels=labels,
            normalization=Normalization(mean=(0.5,), std=(0.25,)),
            device=torch.device("cpu"),
            origin=("test", torch.arange(11)),
            change=change,
            split=lambda name: Dataset(images=images, labels=labels, classes=("a", "b", "c", "d")),
            batch=batch,
        )

    return look


def test_the_first_draw_is_what_logits_sees_and_the_others_are_different_noise(seen):
    drawn, alone = Draws(count=3)(seen())["logits"], Logits()(seen())["logits"]
    assert drawn.shape == (3, 11, 4)
    assert torch.equal(drawn[0], alone)
    assert not torch.equal(drawn[1], drawn[0])
    assert not torch.equal(drawn[2], drawn[1])


def test_draws_do_not_depend_on_the_batch_or_on_how_many_there_are(seen):
    whole = Draws(count=3)(seen(batch=100))["logits"]
    torch.testing.assert_close(whole[:2], Draws(count=2)(seen(batch=3))["logits"])


def test_pixels_runs_backward_selection_on_images_spread_over_the_view(seen, images):
    look = seen(change=None)
    found = Pixels(images=4)(look)
    assert found["places"].tolist() == [0, 2, 5, 8]
    assert found["labels"].tolist() == [0, 2, 1, 0]
    expected = backward_selection(look.net, look.normalization(images[[0, 2, 5, 8]]))
    assert torch.equal(found["order"], expected.order)
    rounds = Pixels(images=4, algorithm="rounds", share=0.3, mask_value=1.0)(look)
    expected = backward_selection_in_rounds(
        look.net, look.normalization(images[[0, 2, 5, 8]]), share=0.3, mask_value=1.0
    )
    assert torch.equal(rounds["order"], expected.order)


def test_a_small_view_gives_all_its_images(seen):
    assert Pixels(images=50, algorithm="rounds", share=0.5)(seen(change=None))["places"].tolist() == list(range(11))
