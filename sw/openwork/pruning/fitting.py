"""A plain training loop for those who have none: labels, a dense teacher or both, checkpoints, any pruner."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from io import BytesIO
from math import cos, isfinite, pi
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn
from torch.nn import functional

from openwork.files import read_whole, write_whole
from openwork.progress import Progress, silent
from openwork.pruning.methods import PruningError
from openwork.pruning.model import Masks, apply_masks, check_masks, own_copy
from openwork.pruning.training import Pruner


class Inputs(Protocol):
    """What inputs are to the loop: a tensor, or what reads its parts when they are asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, chosen: torch.Tensor, /) -> torch.Tensor: ...


Told = Callable[[int, int, float], None]
"""Is told after each epoch how many there were, of how many, and the mean loss of the epoch."""

WARM_UP = 0.05
"""Share of the steps over which the rate rises."""


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes:
        epochs, batch: passes over the inputs, and inputs of a step.
        rate: highest learning rate of AdamW, whose steps do not depend on how large inputs and gradients are; it rises for a
            twentieth of the steps, then falls to 0 as a cosine does.
        weight_decay: of AdamW.
        teaching: share of the loss that is the distance to the teacher's scores; the rest is cross-entropy with the labels.
        temperature: that both scores are divided by where they are compared (Hinton et al. 2015).
        seed: of the order of the inputs and their augmentation.
    """

    epochs: int
    rate: float
    batch: int = 128
    weight_decay: float = 1e-2
    teaching: float = 0.0
    temperature: float = 4.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 2 or self.rate <= 0 or not 0 <= self.teaching <= 1 or self.temperature <= 0:
            raise PruningError(
                f"epochs are 1 or more, a batch 2 or more, rate and temperature over 0, teaching 0 to 1, not {self}"
            )

    def steps(self, inputs: int) -> int:
        """Steps of the whole training with so many inputs; the last ones of an epoch that fill no batch are left out."""
        return self.epochs * (inputs // self.batch)

    def rate_at(self, step: int, steps: int) -> float:
        """The learning rate of a step."""
        warm = max(1, round(WARM_UP * steps))
        return self.rate * (
            min(1.0, (step + 1) / warm) * (1 + cos(pi * max(0, step - warm) / max(1, steps - warm))) / 2
        )


def usual_recipe(epochs: int, rate: float, teaching: float, seed: int, inputs: int) -> Recipe | None:
    """How to train, in batches that leave an epoch ten steps or more where there are inputs enough; None without epochs.

    Args:
        epochs, rate, teaching, seed: of the recipe.
        inputs: to train with.
    """
    batch = max(2, min(128, inputs // 10))
    return Recipe(epochs=epochs, rate=rate, batch=batch, teaching=teaching, seed=seed) if epochs else None


def fit(
    model: nn.Module,
    inputs: Inputs,
    labels: torch.Tensor | None,
    recipe: Recipe,
    *,
    pruner: Pruner | None = None,
    masks: Masks | None = None,
    teacher: nn.Module | None = None,
    augment: Callable[[torch.Tensor, torch.Generator], torch.Tensor] | None = None,
    checkpoint: Path | None = None,
    progress: Progress = silent,
    tell: Told | None = None,
) -> nn.Module:
    """Train a model in place, on a GPU where there is one, and put it back where it was, in eval mode.

    Interrupted, it goes on from the checkpoint of the last whole epoch and ends with the same weights.

    Args:
        model: trained in the mode that it is in.
        inputs, labels: [inputs, ...] and int64 [inputs]; without labels the teacher says all.
        recipe: how.
        pruner: told after each step.
        masks: of weights that stay 0, if no pruner keeps them.
        teacher: gives the scores that `recipe.teaching` asks for.
        augment: makes float inputs of the model of a batch; draws from the generator alone.
        checkpoint: file to go on from if it is there, written after each epoch.
        progress: shows how far an epoch is.
        tell: is told the loss of each epoch.

    Raises:
        PruningError: labels or teacher are missing, labels are outside the classes, the loss is not finite, or the checkpoint is
            of another recipe.
        FileError: the checkpoint cannot be read or written.
    """
    teaching = recipe.teaching if labels is not None else 1.0
    if (teacher is None and teaching > 0) or len(inputs) < recipe.batch:
        raise PruningError(
            f"training needs labels or a teacher, and a whole batch: there are {len(inputs)} inputs for batches of "
            f"{recipe.batch}, {'no' if labels is None else 'with'} labels, {'no' if teacher is None else 'a'} teacher"
        )
    home = next(model.parameters()).device
    device = torch.device("cuda" if torch.cuda.is_available() else home)
    model.to(device)
    teacher = own_copy(teacher).to(device).eval() if teacher is not None else None
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0, weight_decay=recipe.weight_decay)
    batches, steps = len(inputs) // recipe.batch, recipe.steps(len(inputs))
    for epoch in range(_resume(checkpoint, model, optimizer, pruner, masks, recipe), recipe.epochs):
        generator = torch.Generator().manual_seed((1_000_003 * recipe.seed + epoch) % (1 << 63))
        order = torch.randperm(len(inputs), generator=generator)
        losses = 0.0
        for batch in progress(range(batches), f"epoch {epoch + 1} of {recipe.epochs}"):
            chosen = order[batch * recipe.batch : (batch + 1) * recipe.batch]
            values = inputs[chosen] if augment is None else augment(inputs[chosen], generator)
            values = values.to(device)
            for group in optimizer.param_groups:
                group["lr"] = recipe.rate_at(epoch * batches + batch, steps)
            optimizer.zero_grad()
            scores = model(values)
            if labels is not None:
                _check_labels(labels, len(inputs), scores.shape[1])
            loss = torch.zeros((), device=device)
            if labels is not None and teaching < 1:
                loss = (1 - teaching) * functional.cross_entropy(scores, labels[chosen].to(device))
            if teacher is not None and teaching > 0:
                with torch.no_grad():
                    wanted = teacher(values)
                loss = loss + teaching * distance(scores, wanted, recipe.temperature)
            losses += loss.item()
            if not isfinite(loss.item()):
                raise PruningError(
                    f"the loss is {loss.item()} in epoch {epoch + 1}, step {batch + 1}: lower the learning rate, {recipe.rate}, or "
                    "look for NaN in the inputs"
                )
            loss.backward()  # type: ignore[no-untyped-call]  # torch has no types here
            optimizer.step()
            if pruner is not None:
                pruner.step()
            elif masks is not None:
                apply_masks(model, masks)
        _keep(checkpoint, model, optimizer, pruner, recipe, epoch + 1)
        if tell is not None:
            tell(epoch + 1, recipe.epochs, losses / batches)
    return model.to(home).eval()


def _check_labels(labels: torch.Tensor, inputs: int, classes: int) -> None:
    if labels.shape != (inputs,) or labels.dtype != torch.int64:
        raise PruningError(
            f"labels must be int64 [{inputs}], one for each input, not {labels.dtype} {list(labels.shape)}"
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise PruningError(
            f"labels must be from 0 to {classes - 1}, since the model has {classes} outputs, not from {labels.min()} to "
            f"{labels.max()}"
        )


def distance(scores: torch.Tensor, wanted: torch.Tensor, temperature: float) -> torch.Tensor:
    """Kullback-Leibler divergence of two batches of scores [batch, classes], times the square of the temperature."""
    divergence = functional.kl_div(
        functional.log_softmax(scores.flatten(1) / temperature, dim=1),
        functional.log_softmax(wanted.flatten(1) / temperature, dim=1),
        log_target=True,
        reduction="batchmean",
    )
    return temperature**2 * divergence


def _keep(
    path: Path | None,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    pruner: Pruner | None,
    recipe: Recipe,
    epoch: int,
) -> None:
    if path is None:
        return
    state = {
        "recipe": asdict(recipe),
        "epoch": epoch,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "pruner": pruner.state_dict() if pruner is not None else None,
    }
    content = BytesIO()
    torch.save(state, content)
    write_whole(path, content.getvalue())


def _resume(
    path: Path | None,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    pruner: Pruner | None,
    masks: Masks | None,
    recipe: Recipe,
) -> int:
    """Load a checkpoint, if there is one; the epoch to begin with."""
    if path is None or not path.exists():
        return 0
    content = BytesIO(read_whole(path))
    try:
        state: dict[str, Any] = torch.load(content, weights_only=True, map_location="cpu")
        if state.keys() != {"recipe", "epoch", "model", "optimizer", "pruner"} or not isinstance(state["epoch"], int):
            raise ValueError("it holds something else")
    except Exception as error:  # whatever a damaged file makes the reader stumble over
        raise PruningError(
            f"{path} is not a whole checkpoint: {type(error).__name__}: remove it to begin again"
        ) from None
    if state.get("recipe") != asdict(recipe) or (state["pruner"] is None) != (pruner is None):
        raise PruningError(
            f"{path} is the checkpoint of another training, {state.get('recipe')}: remove it to begin again, or name another"
        )
    try:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        if pruner is not None:
            pruner.load_state_dict(state["pruner"])
    except Exception as error:  # of torch, which says in many ways that the model is another one
        raise PruningError(
            f"{path} is the checkpoint of another model ({type(error).__name__}): remove it to begin again, or name another"
        ) from None
    if pruner is None and masks is not None:
        try:
            check_masks(model, masks)
        except PruningError as error:
            raise PruningError(
                f"{path} is the checkpoint of another training: {str(error).partition(':')[0]} has other masks"
            ) from None
    return int(state["epoch"])
