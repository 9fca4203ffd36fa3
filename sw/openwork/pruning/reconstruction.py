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

BATCH = 20


class _Reached(Exception):
    """The layer that was waited for has its inputs."""


def reconstruct(
    model: nn.Module,
    inputs: torch.Tensor,
    density: float | Mapping[str, float],
    names: Sequence[str] | None = None,
    progress: Progress = silent,
) -> PrunedModel:
    """Prune layer after layer in the order in which they run; each is fitted to what the dense model's layer gave.

    A layer sees the outputs of those that are pruned already, and makes up for what they lost. Biases are fitted along.

    Args:
        model: stays as it is.
        inputs: float [inputs, ...], a few hundred like what the model will see; no labels.
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
    order = _order(dense, list(weights), inputs)
    masks = {}
    with torch.no_grad():
        for index in progress(range(len(order)), "layer by layer"):
            name = order[index]
            module = pruned.get_submodule(name)
            moments = _moments(dense, pruned, name, inputs)
            rows, always = _rows(module)
            keep = max(1, round(densities[name] * weights[name].numel()))
            found, mask = sparse_rows(rows, moments, keep, always)
            shape = weights[name].shape
            weights[name].copy_(found[..., ~always].reshape(shape))
            if module.bias is not None:
                module.get_parameter("bias").copy_(found[..., -1].flatten())
            masks[name] = mask[..., ~always].reshape(shape)
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
    errors: dict[str, list[float]] = {}
    order = _order(dense, list(weights), inputs)
    with torch.no_grad():
        for index in progress(range(len(order)), "what each layer loses"):
            name = order[index]
            moments = _moments(dense, dense, name, inputs)
            rows, always = _rows(dense.get_submodule(name))
            count = weights[name].numel()
            errors[name] = [
                relative_error(
                    rows, sparse_rows(rows, moments, max(1, round(level * count)), always, rounds=4)[0], moments.own
                )
                for level in levels
            ]
    return {name: errors[name] for name in weights}


def _order(model: nn.Module, names: Sequence[str], inputs: torch.Tensor) -> list[str]:
    """The modules in the order in which they run first."""
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
    return list(dict.fromkeys(reached))


def _is_plain(module: nn.Module) -> bool:
    if isinstance(module, nn.Conv2d):
        one = len({*module.stride}) == len({*module.dilation}) == 1
        padded = module.padding_mode == "zeros" and not isinstance(module.padding, str)
        return type(module).forward is nn.Conv2d.forward and one and padded
    return type(module).forward is nn.Linear.forward


def _moments(dense: nn.Module, pruned: nn.Module, name: str, inputs: torch.Tensor) -> Moments:
    """Of a layer's inputs in both models; the last column is 1 where the layer has a bias."""
    own = cross = torch.zeros(())
    generators = torch.Generator().manual_seed(0), torch.Generator().manual_seed(0)
    for batch in torch.split(inputs, BATCH):
        now = _columns(pruned.get_submodule(name), _inputs_of(pruned, name, batch), generators[0])
        old = (
            now
            if dense is pruned
            else _columns(dense.get_submodule(name), _inputs_of(dense, name, batch), generators[1])
        )
        own = own + now.transpose(1, 2) @ now
        cross = cross + old.transpose(1, 2) @ now
    return Moments(own / len(inputs), cross / len(inputs))


def _inputs_of(model: nn.Module, name: str, batch: torch.Tensor) -> torch.Tensor:
    """What a layer reads; layers behind it do not run."""
    found: list[torch.Tensor] = []

    def hook(_module: nn.Module, read: tuple[torch.Tensor, ...]) -> None:
        found.append(read[0])
        raise _Reached

    handle = model.get_submodule(name).register_forward_pre_hook(hook)
    try:
        model(batch)
    except _Reached:
        pass
    finally:
        handle.remove()
    return found[0]


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
