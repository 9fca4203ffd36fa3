"""A density for each layer, so that all together stay within a budget: of cycles, weights or whatever a layer costs."""

from collections.abc import Callable, Collection, Mapping, Sequence

import torch
from torch import nn

from openwork.progress import Progress, silent
from openwork.pruning.methods import PruningError
from openwork.pruning.model import prune_model
from openwork.pruning.reconstruction import layer_errors

LEVELS = (
    *(1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2),
    *(0.16, 0.13, 0.1, 0.08, 0.06, 0.04, 0.025),
)
"""Densities that a layer may get, falling."""

HALVINGS = 60

Cost = Callable[[nn.Module], Mapping[str, float]]
"""From a pruned model to what each module costs, by name; what is under other names is there whatever the densities are."""


def kept_weights(names: Collection[str]) -> Cost:
    """A cost: of each of the modules that are named the weights that are not 0."""

    def count(model: nn.Module) -> dict[str, float]:
        return {name: float(torch.count_nonzero(model.get_parameter(f"{name}.weight"))) for name in names}

    return count


def densities_within(
    model: nn.Module,
    inputs: torch.Tensor,
    budget: float,
    cost: Cost,
    names: Sequence[str] | None = None,
    progress: Progress = silent,
    importance: Mapping[str, torch.Tensor] | None = None,
) -> dict[str, float]:
    """The density of each layer with which a reconstruction loses least, as far as layers tell one by one.

    What a layer loses is measured at the model's outputs (`layer_errors`), and the budget is spent where it saves most of that
    (`spend`).

    Args:
        model: stays as it is.
        inputs: float [inputs, ...]; arguments as in `reconstruct`.
        budget: for all costs together.
        cost: of a model pruned by magnitude: where the weights are does not matter to it, only how many.
        names: modules to prune; all if not given.
        progress: shows how far the work is.
        importance: of the rows of each module, as in `reconstruct`.

    Raises:
        PruningError: see `reconstruct`; or the budget is too small.
    """
    errors = layer_errors(model, inputs, LEVELS, names, progress, importance)
    found = []
    for index in progress(range(len(LEVELS)), "what each layer costs"):
        found.append(cost(prune_model(model, LEVELS[index], names=list(errors)).model))
    fixed = max(sum(value for name, value in costs.items() if name not in errors) for costs in found)
    each = {name: [costs[name] for costs in found] for name in errors}
    least = fixed + sum(map(min, each.values()))
    if least > budget:
        raise PruningError(f"the budget is {budget:,.0f}, and the least that is possible is {least:,.0f}: raise it")
    levels = spend(errors, each, budget - fixed)
    return {name: LEVELS[level] for name, level in levels.items()}


def spend(errors: Mapping[str, Sequence[float]], costs: Mapping[str, Sequence[float]], budget: float) -> dict[str, int]:
    """The level of each layer, by number, for which the errors add up to the least while the costs stay within the budget.

    Each layer takes the level of least ``error + price * cost``, and the price is the lowest that keeps to the budget (Everett
    1963); what is left is spent on the level that saves the most error for its cost, while there is one that fits.

    >>> spend({"a": [0.0, 0.1, 0.5], "b": [0.0, 0.3, 0.9]}, {"a": [100, 50, 20], "b": [100, 50, 20]}, budget=150)
    {'a': 1, 'b': 0}

    Args:
        errors: of each layer at each of its levels.
        costs: likewise.
        budget: that the chosen costs may add up to.

    Raises:
        PruningError: the cheapest levels together cost more.
    """
    cheapest = sum(min(cost) for cost in costs.values())
    if cheapest > budget:
        raise PruningError(f"the budget is {budget:,.0f}, and the least that is possible is {cheapest:,.0f}: raise it")

    def chosen(price: float) -> dict[str, int]:
        return {
            name: min(
                range(len(error)), key=lambda level: (error[level] + price * costs[name][level], costs[name][level])
            )
            for name, error in errors.items()
        }

    def total(levels: Mapping[str, int]) -> float:
        return sum(costs[name][level] for name, level in levels.items())

    low, high = 0.0, 1.0
    while total(chosen(high)) > budget:
        high *= 2
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if total(chosen(middle)) <= budget else (middle, high)
    levels = chosen(high)
    while True:
        left = budget - total(levels)
        better = [
            ((errors[name][now] - error) / max(costs[name][level] - costs[name][now], 1e-30), name, level)
            for name, now in levels.items()
            for level, error in enumerate(errors[name])
            if error < errors[name][now] and costs[name][level] - costs[name][now] <= left
        ]
        if not better:
            return levels
        _, name, level = max(better)
        levels[name] = level
