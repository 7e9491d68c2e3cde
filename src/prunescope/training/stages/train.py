"""Train: one schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, model_validator
from torch import nn

from prunescope.core.errors import PrunescopeError
from prunescope.core.schedule import DurationField
from prunescope.data import AUGMENTATIONS, Augmentation, Dataset, stratified_subset
from prunescope.pruning import State
from prunescope.training.evaluation import evaluate, weight_counts
from prunescope.training.feed import Feed
from prunescope.training.footprint import out_of_memory, step_bytes
from prunescope.training.learning_rate import LEARNING_RATES, Constant, LearningRate, surely_longer
from prunescope.training.loop import Beside, Precision, train
from prunescope.training.objectives import OBJECTIVES, CrossEntropy, Objective
from prunescope.training.optimizers import OPTIMIZERS, Optimizer, Positive, Sgd
from prunescope.training.population import TRIAL, speed_up, train_together
from prunescope.training.running import Event
from prunescope.training.stages.stage import STAGES, Apart, Context, Likeness, Stage

GAIN = 1.2  # below it, other last bits are not worth it
SHORT = 10 * TRIAL  # a training of fewer steps is not worth a trial


@STAGES.register("train")
class Train(Stage):
    """Run one schedule from ``state.step`` (0 unless rewound) to ``until``.

    A finished schedule leaves ``step`` 0 and no optimiser state: the next Train begins its own. With ``stop``
    training ends there, and position and optimiser state are kept (this is what a Rewind returns to).

    Attributes:
        until: length of the schedule.
        objective: made small.
        optimizer: and its base rate.
        lr: factor on the base rate by step.
        batch: images in a batch.
        augment: of training images, in this order.
        stop: where to stop, if before ``until``.
        goal: accuracy on the training images, without augmentation, that ends the training before an epoch.
        shuffle: a new seeded order each epoch, or the order of the data.
        clip: largest norm of the whole gradient.
        precision: of the forward pass; ``bfloat16`` is mixed precision.
        track: recorded after each epoch: cross-entropy and accuracy on a split, or the number of weights of each
            tensor that are not zero, with number and mean size of those that were zero when the stage began.
        track_images: look at a stratified choice of at most this many images of a split.
    """

    until: DurationField
    objective: Annotated[Objective, *OBJECTIVES.field()] = CrossEntropy()
    optimizer: Annotated[Optimizer, *OPTIMIZERS.field()] = Sgd()
    lr: Annotated[LearningRate, *LEARNING_RATES.field()] = Constant()
    batch: Annotated[int, Field(ge=1)] = 128
    augment: tuple[Annotated[Augmentation, *AUGMENTATIONS.field()], ...] = ()
    stop: DurationField | None = None
    goal: Annotated[float, Field(gt=0, le=1)] | None = None
    shuffle: bool = True
    clip: Positive | None = None
    precision: Precision = "float32"
    track: tuple[Literal["train", "validation", "weights"], ...] = ()
    track_images: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _possible_for_some_epoch(self) -> Train:
        """Refuse now what no length of an epoch makes possible; the rest is refused when the data are there."""
        if surely_longer(self.lr.warmup, self.until):
            raise PrunescopeError("warm-up longer than training", expected=f"≤ {self.until}", got=self.lr.warmup)
        if self.stop is not None and surely_longer(self.stop, self.until):
            raise PrunescopeError("training cannot reach its end", expected=f"stop ≤ {self.until}", got=self.stop)
        return self

    @property
    def needs_data(self) -> bool:
        """True: it looks at the training images."""
        return True

    def feed(self, context: Context) -> Feed:
        """Return the training data as this stage reads them."""
        return Feed(
            data=context.split("train"),
            batch=self.batch,
            normalization=context.normalization,
            augment=self.augment,
            views=self.objective.views,
            shuffle=self.shuffle,
        )

    def __call__(self, state: State, context: Context) -> State:
        """Train and return the state reached."""
        return self.run(state, context, {})

    @property
    def takes_siblings(self) -> Likeness:
        """Up to rounding, where nothing is asked of a single network on the way."""
        watched = self.clip is not None or self.goal is not None or self.track
        return "close" if self.optimizer.elementwise and not watched else "no"

    def together(self, states: Sequence[State], contexts: Sequence[Context], *, measured: bool = False) -> list[State]:
        """Train siblings at once, see :func:`prunescope.training.train_together`.

        Raises:
            Apart: when it was ``measured`` that this is not clearly faster, or the training is too short to tell.
        """
        feed = self.feed(contexts[0])
        how = self._how(feed)
        starts = [s if c.resume is None else c.resume for s, c in zip(states, contexts, strict=True)]
        [end] = {self._span(feed, state)[0] for state in states}
        if measured:
            gain = 0.0 if end - starts[0].step < SHORT else speed_up(contexts[0].build(), starts, feed, **how)
            if gain < GAIN:
                raise Apart("siblings are trained as fast one after another", expected=f"≥ {GAIN} ×", got=gain)
        reached: dict[int, State] = {}
        for step in {start.step for start in starts}:
            group = [index for index, start in enumerate(starts) if start.step == step]
            some, callbacks = [starts[i] for i in group], [contexts[i].callbacks for i in group]
            after = train_together(contexts[0].build(), some, feed, until=end, callbacks=callbacks, **how)
            reached.update(zip(group, after, strict=True))
        return [self._left(reached[index], feed) for index in range(len(states))]

    def run(self, state: State, context: Context, events: Mapping[int, Event]) -> State:
        """Train with changes of the mask on the way."""
        feed = self.feed(context)
        end, _ = self._span(feed, state)
        try:
            reached = train(
                context.build(),
                state if context.resume is None else context.resume,
                feed,
                until=end,
                callbacks=context.callbacks,
                beside=self._beside(state, context, events),
                clip=self.clip,
                **self._how(feed),
            )
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            raise self._too_large(context.build(), feed) from None
        return self._left(reached, feed)

    def _too_large(self, net: nn.Module, feed: Feed) -> PrunescopeError:
        """Return the refusal of a batch; a smaller one is another training, which is not chosen here."""
        try:
            estimate = step_bytes(net, torch.Size([self.batch, *feed.data.shape]), self.objective)
            expected = f"about {estimate / 1e9:.1f} GB"
        except Exception:  # a foreign network can raise anything on the meta device
            expected = None
        return PrunescopeError(
            "the device has no memory for a training step",
            expected=expected,
            got=f"batch {self.batch}",
            where=str(feed.data.images.device),
            remedy="A smaller batch is another training: choose one, such as --set …train.batch=32",
        )

    def _how(self, feed: Feed) -> dict[str, Any]:
        schedule = self.lr.schedule(feed.per_epoch, self.until.steps(feed.per_epoch))
        plain = {"objective": self.objective, "optimizer": self.optimizer, "precision": self.precision}
        return {**plain, "schedule": schedule}

    def _span(self, feed: Feed, state: State) -> tuple[int, int]:
        """Return where training ends and where its schedule does."""
        total = self.until.steps(feed.per_epoch)
        end = total if self.stop is None else self.stop.steps(feed.per_epoch)
        if not 0 <= state.step <= end <= total:
            raise PrunescopeError("training cannot reach its end", expected=f"{state.step} ≤ {end} ≤ {total} steps")
        return end, total

    def _left(self, reached: State, feed: Feed) -> State:
        """Return what a training leaves: position and optimiser only where it was stopped before its end."""
        end, total = self._span(feed, reached)
        return reached if self.stop is not None and end < total else replace(reached, step=0, optimizer={})

    def _beside(self, state: State, context: Context, events: Mapping[int, Event]) -> Beside:
        goal = self.goal
        measure = partial(self._tracked, state, context) if self.track else None

        def done(net: nn.Module) -> bool:
            return evaluate(net, context.split("train"), context.normalization)["accuracy"] >= (goal or 1)

        return Beside(events=events, measure=measure, done=None if goal is None else done)

    def _tracked(self, state: State, context: Context, net: nn.Module) -> dict[str, float]:
        splits = [split for split in self.track if split != "weights"]
        seen = {split: evaluate(net, self._shown(context.split(split)), context.normalization) for split in splits}
        numbers = {f"{split}/{name}": value for split, values in seen.items() for name, value in values.items()}
        return numbers | (weight_counts(net, state) if "weights" in self.track else {})

    def _shown(self, data: Dataset) -> Dataset:
        """Return the images of a split that are looked at after each epoch."""
        if self.track_images is None or self.track_images >= len(data):
            return data
        chosen = stratified_subset(data.labels.cpu().numpy(), self.track_images, seed=0)
        return data.take(torch.from_numpy(chosen).to(data.labels.device))
