"""Every published training setting that a study may want to repeat can be written in a study file."""

import pytest
import yaml

from prunescope.study.plan import plan_study
from prunescope.study.study import load_study
from prunescope.training import STAGES, Gradual
from prunescope.training.stages.gradual import event_steps

CIFAR = "{mean: [0.4914, 0.4822, 0.4465], std: [0.2023, 0.1994, 0.2010]}"
DIGITS = "{mean: [0.1307], std: [0.3081]}"

# Each row: the study in YAML; steps in an epoch; learning rate by epoch; where the training ends, in steps.
# Contrastive against supervised learning (Corti et al., 2022).
SUPERVISED = """
model: wrn16_2
normalize: {mean: [0.4915, 0.4823, 0.4468], std: [0.2047, 0.2435, 0.2616]}
recipes:
  dense:
    - train:
        until: 205ep
        batch: 128
        optimizer: {sgd: {lr: 1.0, momentum: 0.9, weight_decay: 5.0e-4}}
        lr: {steps: [5ep, 30ep, 50ep, 80ep], factor: 0.1}
        augment: [crop, {flip: vertical}, {flip: horizontal}]
  finetuned:
    from: dense
    levels: [0.3, 0.5, 0.7, 0.9]
    stages:
      - prune: magnitude
      - train: {until: 30ep, batch: 128, optimizer: {sgd: {lr: 1.0e-3, momentum: 0.9, nesterov: true}}}
"""
ENCODER = """
model: {wrn16_2: {projection: mlp}}
recipes:
  dense:
    - train:
        until: 500ep
        batch: 1024
        objective: {supcon: {layer: projection, temperature: 0.5, base_temperature: 0.07}}
        optimizer: {sgd: {lr: 0.05, momentum: 0.9, weight_decay: 4.0e-4}}
        augment: [resized_crop, flip, color_jitter, grayscale]
    - freeze: {names: [conv1, block*, bn1, projection]}
    - train:
        until: 100ep
        batch: 256
        optimizer: {sgd: {lr: 0.1, momentum: 0.9}}
        lr: {product: [{steps: [60ep, 75ep, 90ep], factor: 0.2}, {cosine: {floor: 1.0e-3}}], by: epoch}
        augment: [crop, {flip: vertical}, flip]
"""
ENCODER_WITH_FLAGS = """
model: {wrn16_2: {projection: linear}}
recipes:
  dense:
    - train:
        until: 500ep
        batch: 1024
        objective: {supcon: {layer: projection}}
        optimizer: {lars: {lr: 0.05, momentum: 0.9, weight_decay: 4.0e-4, trust: 0.02}}
        lr: {cosine: {floor: 1.0e-3, by: epoch, warmup: 10ep, warmup_from: 0.2}}
"""
GRADUAL = """
model: wrn16_2
recipes:
  dense: [{train: {until: 1ep}}]
  gmp:
    levels: [0.3, 0.5, 0.7, 0.9]
    stages:
      - gradual:
          begin: 1000it
          end: 20000it
          every: 500it
          scope: layer
          train: {until: 205ep, batch: 128, optimizer: {sgd: {lr: 1.0, momentum: 0.9, weight_decay: 5.0e-4}}}
"""
LATER_GRADUAL = """
model: {wrn16_2: {projection: mlp}}
recipes:
  dense: [{train: {until: 1ep}}]
  gmp:
    - gradual:
        begin: 2440it
        end: 4760it
        every: 62it
        sparsity: 0.9
        ignore: [fc]
        train:
          until: 500ep
          batch: 1024
          objective: {supcon: {layer: projection}}
          optimizer: {sgd: {lr: 0.05, momentum: 0.9}}
    - freeze: {names: [conv1, block*, bn1, projection]}
    - gradual: {begin: 500it, end: 10000it, every: 250it, sparsity: 0.9, train: {until: 100ep, batch: 256}}
"""
# Statistical mechanics of pruning (Acharyya et al., 2021).
MNIST_MLP = """
model: {mlp: {hidden: [500, 500], activation: sigmoid, dropout: 0.5}}
normalize: {mean: [0.1307], std: [0.3081]}
recipes:
  dense:
    - train:
        until: 1000ep
        goal: 0.99
        shuffle: false
        batch: 1000
        optimizer: {sgd: {lr: 1.0e-3, momentum: 0.9}}
"""
CIFAR_MLP = """
model: {mlp: {hidden: [1000, 1000, 1000], activation: sigmoid}}
normalize: {mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}
recipes:
  dense:
    - train:
        until: 1000ep
        goal: 0.99
        shuffle: false
        batch: 128
        optimizer: {sgd: {lr: 1.0e-3, momentum: 0.9}}
"""


def liebenwein(model, batch, optimizer, epochs, lr="constant", augment="[crop, flip]", normalize=CIFAR):
    """Lost in Pruning (Liebenwein et al., 2021), its table of set-ups."""
    steps = f"until: {epochs}ep, batch: {batch}, precision: bfloat16"
    train = f"{{{steps}, optimizer: {optimizer}, lr: {lr}, augment: {augment}}}"
    return f"model: {model}\nnormalize: {normalize}\nrecipes:\n  dense: [{{train: {train}}}]\n"


def sgd(lr, weight_decay, nesterov="false"):
    return f"{{sgd: {{lr: {lr}, momentum: 0.9, weight_decay: {weight_decay}, nesterov: {nesterov}}}}}"


def steps(at, factor, warmup="0it"):
    return f"{{steps: [{', '.join(f'{epoch}ep' for epoch in at)}], factor: {factor}, warmup: {warmup}}}"


# The life of a pruned network, and the similarity of its layers (Ansuini et al., 2020).
LIFE = """
model: {resnet18: {stem: imagenet, head: hidden}}
recipes:
  dense:
    - train:
        until: 600ep
        batch: 128
        optimizer: {adam: {lr: 1.0e-3}}
        augment: [flip]
        track: [train, validation, weights]
  softmax: [{train: {until: 600ep, objective: softmax_cross_entropy, optimizer: {adam: {lr: 1.0e-3}}, augment: [flip]}}]
  frozen: {from: dense, stages: [{freeze: 0.3}, {train: same}]}
  regrown:
    from: dense
    stages:
      - prune: {criterion: magnitude, sparsity: 0.3}
      - train: same
      - freeze: {names: [conv1, bn1]}
      - unfreeze
      - regrow
      - train: same
"""
LAYERS = """
model: svhn_net
normalize: {mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}
recipes:
  dense:
    - train:
        until: 15ep
        batch: 128
        optimizer: {sgd: {lr: 0.1, momentum: 0.9, weight_decay: 1.0e-4}}
        lr: {steps: [10ep, 12ep], factor: 0.1}
        augment: [crop, flip, {affine: {degrees: 15, shift: 0.1}}]
        clip: 1.0
  imp:
    from: dense
    repeat: 2
    stages: [{prune: {criterion: magnitude, remove: 0.5, ignore: [classifier]}}, {rewind: lr}, {train: same}]
  lrr:
    from: dense
    repeat: 20
    stages: [{prune: {criterion: magnitude, remove: 0.2}}, {rewind: {to: weights, at: 1ep}}, {train: same}]
"""

ROWS = {
    "wrn16_2 supervised": (SUPERVISED, 391, {0: 1, 4: 1, 5: 0.1, 29: 0.1, 30: 0.01, 50: 1e-3, 80: 1e-4, 204: 1e-4}),
    "wrn16_2 encoder": (ENCODER, 49, {0: 0.05, 499: 0.05}),
    "wrn16_2 encoder with flags": (ENCODER_WITH_FLAGS, 49, {0: 0.01, 5: 0.03, 10: 0.05, 250: 0.025, 499: 5e-5}),
    "wrn16_2 gradual": (GRADUAL, 391, {0: 1}),
    "wrn16_2 later gradual": (LATER_GRADUAL, 49, {0: 0.05}),
    "mlp mnist": (MNIST_MLP, 60, {0: 1e-3, 999: 1e-3}),
    "mlp cifar": (CIFAR_MLP, 391, {0: 1e-3}),
    **{
        f"{name} lost": (
            liebenwein(name, 128, sgd(0.1, 1e-4), 182, steps([91, 136], 0.1, "5ep")), 391,
            {0: 0, 1: 0.02, 5: 0.1, 90: 0.1, 91: 0.01, 136: 1e-3, 181: 1e-3},
        )
        for name in ("resnet20", "resnet56", "resnet110")
    },
    "vgg16 lost": (
        liebenwein("vgg16", 256, sgd(0.05, 5e-4), 300, steps(range(30, 300, 30), 0.5, "10ep")), 196,
        {0: 0, 5: 0.025, 10: 0.05, 30: 0.025, 60: 0.0125, 299: 0.05 * 0.5**9},
    ),
    "densenet22 lost": (
        liebenwein("densenet22", 64, sgd(0.1, 1e-4, "true"), 300, steps([150, 225], 0.1, "10ep")), 782,
        {10: 0.1, 150: 0.01, 225: 1e-3},
    ),
    "wrn16_8 lost": (
        liebenwein("wrn16_8", 128, sgd(0.1, 5e-4, "true"), 200, steps([60, 120, 160], 0.2, "5ep")), 391,
        {5: 0.1, 60: 0.02, 120: 4e-3, 160: 8e-4},
    ),
    **{
        f"{name} lost": (
            liebenwein(name, 64, sgd(0.01, 1e-4), 50, steps([30, 45], 0.1), "[crop]", DIGITS), 938,
            {0: 0.01, 30: 1e-3, 45: 1e-4},
        )
        for name in ("lenet5", "lenet300")
    },
    "five convolutions lost": (
        liebenwein("convnet", 128, "{adam: {lr: 1.0e-3}}", 60, steps([50], 0.1)), 391, {0: 1e-3, 50: 1e-4}
    ),
    "resnet18 lost": (
        liebenwein("{resnet18: {stem: imagenet}}", 256, sgd(0.1, 1e-4), 90, steps([30, 60, 80], 0.1, "5ep")), 5005,
        {5: 0.1, 30: 0.01, 60: 1e-3, 80: 1e-4},
    ),
    "polynomial lost": (
        liebenwein("resnet20", 16, sgd(0.02, 1e-4), 45, "{polynomial: {power: 0.9}}"), 92,
        {0: 0.02, 20: 0.02 * (25 / 45) ** 0.9},
    ),
    "resnet18 life": (LIFE, 391, {0: 1e-3, 599: 1e-3}),
    "svhn_net layers": (LAYERS, 391, {0: 0.1, 9: 0.1, 10: 0.01, 12: 1e-3}),
}  # fmt: skip


def study(text, name):
    data = "mnist" if "0.1307" in text else "cifar10"
    return {"name": name, "data": data, "seeds": 1, "measures": ["accuracy"], **yaml.safe_load(text)}


def of(text):
    return load_study(study(text, "x"))


def training(recipe):
    """Return the recipe's first stage, and the training it is or holds."""
    stage = recipe.stages[0]
    return stage, stage.train if isinstance(stage, Gradual) else stage


@pytest.mark.parametrize("name", ROWS)
def test_it_can_be_written_and_planned_and_has_the_published_rates(name):
    text, per_epoch, rates = ROWS[name]
    loaded = load_study(study(text, name))
    assert plan_study(loaded).nodes
    _, train = training(loaded.recipes["gmp" if "gradual" in name else "dense"])
    schedule = train.lr.schedule(per_epoch, train.until.steps(per_epoch))
    for epoch, rate in rates.items():
        assert train.optimizer.lr * schedule(epoch * per_epoch) == pytest.approx(rate, rel=0.01, abs=1e-12), epoch


@pytest.mark.parametrize("name", ROWS)
def test_every_stage_of_it_is_read_back_from_what_is_stored(name):
    for recipe in of(ROWS[name][0]).recipes.values():
        for stage in recipe.stages:
            assert STAGES.build(yaml.safe_load(yaml.safe_dump(stage.spec()))) == stage
            assert STAGES.build(yaml.safe_load(yaml.safe_dump(stage.spec(complete=True)))) == stage


def test_what_only_some_rows_have_arrives():
    _, supervised = training(of(SUPERVISED).recipes["dense"])
    assert [a.spec() for a in supervised.augment] == [{"crop": {}}, {"flip": {"axis": "vertical"}}, {"flip": {}}]
    encoder, freeze, head = of(ENCODER).recipes["dense"].stages
    assert (encoder.objective.views, len(encoder.augment), freeze.names[1]) == (2, 4, "block*")
    factor = head.lr.schedule(196, 19600)
    assert [factor(0), factor(60 * 196)] == pytest.approx([1.0, 0.2 * 0.3461], rel=1e-3)
    _, mlp = training(of(MNIST_MLP).recipes["dense"])
    assert (mlp.goal, mlp.shuffle) == (0.99, False)
    layers = of(LAYERS).recipes
    assert layers["dense"].stages[0].clip == 1.0
    assert len(layers["lrr"].expand()) == 20
    assert [level.sparsity for level in layers["imp"].expand()] == [0.5, 0.75]
    life = of(LIFE).recipes["regrown"]
    assert [level.sparsity for level in life.expand()] == [0.0]


@pytest.mark.parametrize("text", [GRADUAL, LATER_GRADUAL])
def test_the_gradual_rows_have_39_events_and_end_at_their_end(text):
    stage, _ = training(of(text).recipes["gmp"])
    steps = event_steps(*(duration.steps(391) for duration in (stage.begin, stage.end, stage.every)))
    assert len(steps) == 39
    assert steps[-1] == stage.end.steps(391)
