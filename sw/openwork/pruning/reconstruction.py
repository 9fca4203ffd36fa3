"""Pruning without labels and without training: layer after layer, so that each gives what it gave before (`reconstruct`)."""

from collections.abc import Mapping, Sequence
from copy import deepcopy

import torch
from torch import nn
from torch.nn import functional

from openwork.progress import Progress, silent
from openwork.pruning.methods import PruningError
from openwork.pruning.model import PrunedModel, apply_masks, prunable
from openwork.pruning.solver import Moments, columns_of, relative_error, sparse_rows


def reconstruct(
    model: nn.Module,
    inputs: torch.Tensor,
    density: float | Mapping[str, float],
    names: Sequence[str] | None = None,
    progress: Progress = silent,
) -> PrunedModel:
    """Prune layer after layer in the order in which they run; each is fitted to what the dense model's layer gave.

    A layer sees the outputs of those that are pruned already, and makes up for what they lost. Biases are fitted along. All is
    done in one pass through the model, on inputs that are there twice: the first half goes through the dense layers, the second
    through those that are pruned when it reaches them.

    Args:
        model: stays as it is; what is between its layers treats each input by itself.
        inputs: float [inputs, ...], a few hundred like what the model will see; no labels. All are in memory at once.
        density: of each layer, or of each by name; over 0 and up to 1.
        names: modules to prune, Conv2d or Linear; all if not given.
        progress: shows how far the work is.

    Raises:
        PruningError: see `prunable`; or a module is of another kind, a density out of range, the inputs not finite.
    """
    pruned, dense = deepcopy(model).eval(), deepcopy(model).eval()
    weights = prunable(pruned, names)
    densities = dict(density) if isinstance(density, Mapping) else dict.fromkeys(weights, density)
    if wrong := {name: level for name, level in densities.items() if not 0 < level <= 1}:
        raise PruningError(f"density must be over 0 and at most 1, not {wrong}")
    if set(densities) != set(weights):
        raise PruningError(f"densities are given for {sorted(densities)}, and modules are {sorted(weights)}")
    _check_modules(dense, list(weights), inputs)
    masks: dict[str, torch.Tensor] = {}
    steps = iter(progress(range(len(weights)), "layer by layer"))

    def prune_layer(name: str, module: nn.Module, both: torch.Tensor) -> None:
        if name in masks:
            return
        next(steps)
        old, now = (_columns(module, half, torch.Generator().manual_seed(0)) for half in both.chunk(2))
        moments = Moments(now.transpose(1, 2) @ now / len(both), old.transpose(1, 2) @ now / len(both))
        rows, always = _rows(module)
        keep = max(1, round(densities[name] * weights[name].numel()))
        found, mask = sparse_rows(rows, moments, keep, always)
        shape = weights[name].shape
        weights[name].copy_(found[..., ~always].reshape(shape))
        if module.bias is not None:
            module.get_parameter("bias").copy_(found[..., -1].flatten())
        masks[name] = mask[..., ~always].reshape(shape)

    def run_both(name: str, both: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
        first, second = both.chunk(2)[0], outputs.chunk(2)[1]
        return torch.cat([dense.get_submodule(name)(first), second])

    hooks = []
    for name in weights:
        module = pruned.get_submodule(name)
        hooks.append(
            module.register_forward_pre_hook(lambda module, read, name=name: prune_layer(name, module, read[0]))
        )
        hooks.append(module.register_forward_hook(lambda _module, read, made, name=name: run_both(name, read[0], made)))
    with torch.no_grad():
        pruned(torch.cat([inputs, inputs]))
    for hook in hooks:
        hook.remove()
    next(steps, None)
    apply_masks(pruned, masks)
    return PrunedModel(pruned, {name: masks[name] for name in weights})


def layer_errors(
    model: nn.Module, inputs: torch.Tensor, levels: Sequence[float], names: Sequence[str] | None = None,
    progress: Progress = silent,
) -> dict[str, list[float]]:  # fmt: skip
    """For each layer the relative error of its outputs at each density of `levels`, everything else dense.

    Arguments as in `reconstruct`.
    """
    dense = deepcopy(model).eval()
    weights = prunable(dense, names)
    _check_modules(dense, list(weights), inputs)
    errors: dict[str, list[float]] = {}
    steps = iter(progress(range(len(weights)), "what each layer loses"))

    def measure(name: str, module: nn.Module, read: torch.Tensor) -> None:
        next(steps)
        columns = _columns(module, read, torch.Generator().manual_seed(0))
        own = columns.transpose(1, 2) @ columns / len(read)
        rows, always = _rows(module)
        count = weights[name].numel()
        keeps = [max(1, round(level * count)) for level in levels]
        found = (sparse_rows(rows, Moments(own, own), keep, always, rounds=4)[0] for keep in keeps)
        errors[name] = [relative_error(rows, one, own) for one in found]

    hooks = [
        dense.get_submodule(name).register_forward_pre_hook(
            lambda module, read, name=name: measure(name, module, read[0])
        )
        for name in weights
    ]
    with torch.no_grad():
        dense(inputs)
    for hook in hooks:
        hook.remove()
    next(steps, None)
    return {name: errors[name] for name in weights}


def _check_modules(model: nn.Module, names: Sequence[str], inputs: torch.Tensor) -> None:
    """Refuse modules that cannot be reconstructed or never run."""
    if not bool(torch.isfinite(inputs).all()) or not len(inputs):
        raise PruningError("the inputs are none, or hold NaN or infinite numbers")
    reached: list[str] = []
    hooks = []
    for name in names:
        module = model.get_submodule(name)
        if not _is_plain(module):
            raise PruningError(
                f"module {name!r} is a {type(module).__name__}, and only Linear, and Conv2d padded with zeros and of one stride "
                "and dilation, can be reconstructed: prune the model as a `.pt2` file, or leave the module out by names"
            )
        hooks.append(module.register_forward_pre_hook(lambda _module, _inputs, name=name: reached.append(name)))
    with torch.no_grad():
        model(inputs[:2])
    for hook in hooks:
        hook.remove()
    if missing := [name for name in names if name not in reached]:
        raise PruningError(f"modules {missing} never run: leave them out by names")


def _is_plain(module: nn.Module) -> bool:
    if isinstance(module, nn.Conv2d):
        one = len({*module.stride}) == len({*module.dilation}) == 1
        padded = module.padding_mode == "zeros" and not isinstance(module.padding, str)
        return type(module).forward is nn.Conv2d.forward and one and padded
    return type(module).forward is nn.Linear.forward


def _columns(module: nn.Module, maps: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """What a layer's rows multiply, [groups, pixels, columns]."""
    if isinstance(module, nn.Conv2d):
        down, across = (int(side) for side in module.padding)
        padded = functional.pad(maps, (across, across, down, down))
        kernel, (stride, _), (dilation, _) = module.kernel_size, module.stride, module.dilation
        return columns_of(
            padded, (kernel[0], kernel[1]), stride, dilation, module.groups, module.bias is not None, generator
        )
    features = maps.reshape(-1, maps.shape[-1], 1, 1)
    return columns_of(features, (1, 1), 1, 1, 1, module.bias is not None, generator)


def _rows(module: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """A layer's weights [groups, rows, columns], its bias as the last column, and which columns are no weights."""
    groups = module.groups if isinstance(module, nn.Conv2d) else 1
    weights = module.get_parameter("weight").detach()
    rows = weights.reshape(groups, len(weights) // groups, -1)
    always = torch.zeros(rows.shape[2], dtype=torch.bool)
    if module.bias is not None:
        bias = module.get_parameter("bias").detach().reshape(*rows.shape[:2], 1)
        rows, always = torch.cat([rows, bias], dim=2), torch.cat([always, torch.ones(1, dtype=torch.bool)])
    return rows, always
