"""Pruning while a model is trained, by a loop that somebody else owns: `gradual`, `proximal`, `rigl`.

pruner = gradual(model, density=0.2, steps=1000)
for inputs, labels in batches:
    optimizer.zero_grad()
    loss(model(inputs), labels).backward()
    optimizer.step()
    pruner.step()
pruned = pruner.finish()
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from math import cos, pi
from typing import Any

import torch
from torch import nn

from openwork.pruning.distribution import Scope, choose_masks
from openwork.pruning.methods import PruningError, check_density, magnitude
from openwork.pruning.model import PrunedModel, apply_masks, check_masks, prunable


class Pruner(ABC):
    """Keeps masks on a model while it is trained; `gradual`, `proximal` and `rigl` make one.

    Attributes:
        model: trained by others; changed in place.
        masks: bool, by module name, of the shape of the module's weights; True where a weight stays.
        done: calls of `step` so far.
        settings: what the pruner was made with; a state of other settings is refused.
    """

    def __init__(self, model: nn.Module, names: Sequence[str] | None, settings: dict[str, Any]) -> None:
        self.model = model
        self.settings = settings
        self.done = 0
        density, steps = settings["density"], settings["steps"]
        check_density(density)
        if steps < 1:
            raise PruningError(f"steps must be 1 or more, not {steps}")
        self.masks = {
            name: torch.ones_like(weights, dtype=torch.bool) for name, weights in prunable(model, names).items()
        }

    @abstractmethod
    def _update(self) -> None:
        """Change `masks`, if it is time, or the weights; `done` counts this step already."""

    def step(self) -> None:
        """Do what is due after a step of the optimizer, and set all weights to 0 that the masks drop.

        Raises:
            PruningError: weights or gradients that the masks are chosen by are not finite, or there are none.
        """
        self.done += 1
        self._update()
        apply_masks(self.model, self.masks)

    def finish(self) -> PrunedModel:
        """The model and its masks.

        Raises:
            PruningError: steps are missing, or a pruned weight is not 0 any more.
        """
        missing = self.settings["steps"] - self.done
        if missing > 0:
            raise PruningError(f"{missing} of {self.settings['steps']} steps are missing until the model is pruned")
        check_masks(self.model, self.masks)
        return PrunedModel(self.model, dict(self.masks))

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps beside the model and the optimizer."""
        masks = {name: mask.clone() for name, mask in self.masks.items()}
        return {"settings": dict(self.settings), "done": self.done, "masks": masks}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where a pruner of the same settings was.

        Raises:
            PruningError: the state is of other settings, or of another model.
        """
        if state["settings"] != self.settings:
            raise PruningError(f"the checkpoint was made with {state['settings']}, and this is {self.settings}")
        shapes = {name: mask.shape for name, mask in state["masks"].items()}
        if shapes != {name: mask.shape for name, mask in self.masks.items()}:
            raise PruningError(
                f"the checkpoint has masks of {list(shapes)}, and the model is pruned in {list(self.masks)}"
            )
        self.done = state["done"]
        self.masks = {name: mask.to(self.masks[name].device) for name, mask in state["masks"].items()}

    def _weights(self) -> dict[str, torch.Tensor]:
        return {name: self.model.get_parameter(f"{name}.weight").detach() for name in self.masks}


def gradual(
    model: nn.Module,
    density: float,
    steps: int,
    begin: int = 0,
    every: int = 100,
    scope: Scope = "layer",
    names: Sequence[str] | None = None,
) -> Pruner:
    """Prune by magnitude, more and more, along a cubic curve (Zhu and Gupta 2017).

    >>> model = nn.Linear(10, 10)
    >>> pruner = gradual(model, density=0.2, steps=3, every=1)
    >>> for _ in range(3):
    ...     pruner.step()
    >>> pruner.finish().density
    0.2

    Args:
        model: pruned in place.
        density: at the end.
        steps: calls of `step` until then; later ones keep the masks.
        begin: calls before the first weight goes.
        every: calls from one choice of masks to the next.
        scope: how the density is shared out, as in `prune_model`.
        names: modules to prune; all Conv and Linear modules if not given.

    Raises:
        PruningError: see `prunable`, or a number is out of its range.
    """
    return _Gradual(
        model,
        names,
        {"method": "gradual", "density": density, "steps": steps, "begin": begin, "every": every, "scope": scope},
    )


class _Gradual(Pruner):
    def __init__(self, model: nn.Module, names: Sequence[str] | None, settings: dict[str, Any]) -> None:
        super().__init__(model, names, settings)
        if not 0 <= settings["begin"] < settings["steps"] or settings["every"] < 1:
            raise PruningError("begin must be 0 or more and less than steps, and every 1 or more")

    def _update(self) -> None:
        begin, steps, every = self.settings["begin"], self.settings["steps"], self.settings["every"]
        if begin < self.done <= steps and ((self.done - begin) % every == 0 or self.done == steps):
            left = (1 - (self.done - begin) / (steps - begin)) ** 3
            density = self.settings["density"] + (1 - self.settings["density"]) * left
            self.masks = choose_masks(self._weights(), density, self.settings["scope"], magnitude)


def proximal(model: nn.Module, density: float, steps: int, shrink: float, names: Sequence[str] | None = None) -> Pruner:
    """Train with L1 regularization by its proximal step: every magnitude loses `shrink`, down to 0 and not below.

    After `steps` the largest weights of all modules together stay, and are shrunk no more; train on, so that they
    grow back to what they should be.

    Args:
        model: pruned in place.
        density: after `steps`.
        steps: calls of `step` that shrink.
        shrink: the strength of the regularization times the learning rate, 0 or more.
        names: modules to prune; all Conv and Linear modules if not given.

    Raises:
        PruningError: see `prunable`, or a number is out of its range.
    """
    if not 0 <= shrink < float("inf"):
        raise PruningError(f"shrink must be 0 or more, not {shrink}")
    return _Proximal(model, names, {"method": "proximal", "density": density, "steps": steps, "shrink": shrink})


class _Proximal(Pruner):
    def _update(self) -> None:
        if self.done > self.settings["steps"]:
            return
        weights = self._weights()
        for tensor in weights.values():
            tensor.copy_(tensor.sign() * (tensor.abs() - self.settings["shrink"]).clamp(min=0))
        if self.done == self.settings["steps"]:
            self.masks = choose_masks(weights, self.settings["density"], "global", magnitude)


def rigl(
    model: nn.Module,
    density: float,
    steps: int,
    every: int = 100,
    fraction: float = 0.3,
    scope: Scope = "erk",
    names: Sequence[str] | None = None,
) -> Pruner:
    """Train sparse from the first step on: now and then the smallest weights make room for those with the largest gradients.

    Dynamic sparse training as in RigL (Evci et al. 2020). The first masks hold the largest magnitudes, which for
    a model fresh from its initialization is a choice at random. `step` reads gradients: call it before they are set to 0.

    Args:
        model: pruned in place, and at once.
        density: from the first step to the last.
        steps: calls of `step` that the share of exchanged weights falls over, to 0 after three quarters of them.
        every: calls from one exchange to the next.
        fraction: of a module's nonzeros that the first exchange takes.
        scope: how the density is shared out, as in `prune_model`.
        names: modules to prune; all Conv and Linear modules if not given.

    Raises:
        PruningError: see `prunable`, or a number is out of its range.
    """
    if not 0 <= fraction <= 1 or every < 1:
        raise PruningError(f"fraction must be from 0 to 1 and every 1 or more, not {fraction} and {every}")
    settings = {
        "method": "rigl",
        "density": density,
        "steps": steps,
        "every": every,
        "fraction": fraction,
        "scope": scope,
    }
    pruner = _RigL(model, names, settings)
    pruner.masks = choose_masks(prunable(model, names), density, scope, magnitude)
    apply_masks(model, pruner.masks)
    return pruner


class _RigL(Pruner):
    def _update(self) -> None:
        end = 3 * self.settings["steps"] // 4
        if self.done % self.settings["every"] or self.done >= end:
            return
        share = self.settings["fraction"] / 2 * (1 + cos(pi * self.done / end))
        for name, weights in self._weights().items():
            gradient = self.model.get_parameter(f"{name}.weight").grad
            if gradient is None:
                raise PruningError(
                    f"module {name!r} has no gradient: call step() after backward() and before zero_grad()"
                )
            if not bool(torch.isfinite(gradient).all()):
                raise PruningError(f"module {name!r}: its gradient is NaN or infinite: lower the learning rate")
            self.masks[name] = exchanged(weights, gradient, self.masks[name], share)


def exchanged(weights: torch.Tensor, gradient: torch.Tensor, mask: torch.Tensor, share: float) -> torch.Tensor:
    """The mask after the `share` of smallest weights that stay has made room for as many of the largest gradients.

    >>> exchanged(torch.tensor([3.0, 1.0, 0.0]), torch.tensor([0.0, 0.0, 9.0]), torch.tensor([True, True, False]), 0.5)
    tensor([ True, False,  True])

    Args:
        weights, gradient: float, of one shape; weights outside the mask are 0.
        mask: bool of that shape.
        share: of the weights in the mask, 0 to 1.
    """
    stay = int(mask.sum())
    count = min(round(share * stay), mask.numel() - stay)
    kept = torch.where(mask, weights.abs(), -1.0).flatten().argsort(descending=True, stable=True)[: stay - count]
    result = torch.zeros(mask.numel(), dtype=torch.bool, device=mask.device)
    result[kept] = True
    wanted = torch.where(result, -1.0, gradient.abs().flatten()).argsort(descending=True, stable=True)[:count]
    result[wanted] = True
    return result.reshape(mask.shape)


def rewound(rate: Callable[[int], float], steps: int, back: int) -> Callable[[int], float]:
    """A learning rate for training on after pruning: the last `back` steps of the first training's, again and again.

    Learning-rate rewinding (Renda et al. 2020): the weights stay as they are, only the rate goes back.

    >>> again = rewound(lambda step: 1 - step / 10, steps=10, back=4)
    >>> [round(again(step), 1) for step in range(6)]
    [0.4, 0.3, 0.2, 0.1, 0.4, 0.3]

    Args:
        rate: of the first training, for each step from 0 to ``steps - 1``.
        steps: of the first training.
        back: how many of them are repeated.
    """
    if not 1 <= back <= steps:
        raise PruningError(f"the rate can go back 1 to {steps} steps, not {back}")
    return lambda step: rate(steps - back + step % back)
