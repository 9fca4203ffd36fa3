"""Pruning without labels and without training: layer after layer, so that each gives what it gave before (`reconstruct`)."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn
from torch.nn import functional

from openwork.progress import Progress, silent
from openwork.pruning.methods import PruningError, check_density
from openwork.pruning.model import PrunedModel, apply_masks, own_copy, prunable
from openwork.pruning.solver import Moments, columns_of, relative_error, sparse_path, sparse_rows

HALF = 0.5
"""Density at which what a layer loses is measured at the model's outputs."""

NOISE = 1e-6
"""Relative error that rounding in float32 may make."""

SLOPES = 200
"""Inputs that the importance of rows is taken from, at most."""

BATCH = 20

HELD_OUT = 50
"""Inputs that errors are measured with, at most."""


def reconstruct(
    model: nn.Module,
    inputs: torch.Tensor,
    density: float | Mapping[str, float],
    names: Sequence[str] | None = None,
    progress: Progress = silent,
    importance: Mapping[str, torch.Tensor] | None = None,
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
        importance: of the rows of each module (see `row_importance`); all rows of a module count the same if not given.

    Raises:
        PruningError: see `prunable`; or a module is of another kind, a density out of range, the inputs not finite.
    """
    pruned, dense = own_copy(model).eval(), own_copy(model).eval()
    weights = prunable(pruned, names)
    if isinstance(density, Mapping):
        densities = dict(density)
        for name, level in densities.items():
            check_density(level, f"density of {name!r}")
    else:
        check_density(density)
        densities = dict.fromkeys(weights, density)
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
        found, mask = sparse_rows(rows, moments, keep, always, None if importance is None else importance[name])
        _set_rows(module, found, always)
        masks[name] = mask[..., ~always].reshape(weights[name].shape)

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
    model: nn.Module,
    inputs: torch.Tensor,
    levels: Sequence[float],
    names: Sequence[str] | None = None,
    progress: Progress = silent,
    importance: Mapping[str, torch.Tensor] | None = None,
) -> dict[str, list[float]]:
    """For each layer the relative error of the model's outputs at each density of `levels`, every other layer dense.

    Layers are fitted to all inputs but the last ones, a fifth and at most `HELD_OUT`, and errors are those of the last ones: a
    layer of more columns than inputs fits those that it has seen without an error. The model's outputs are taken at the level
    nearest to `HALF`; at the others the error is larger or smaller as that of the layer's own outputs is.

    Args:
        levels: falling.
        model, inputs, names, progress, importance: as in `reconstruct`.
    """
    dense = own_copy(model).eval()
    weights = prunable(dense, names)
    _check_modules(dense, list(weights), inputs)
    held_out = min(HELD_OUT, len(inputs) // 5)
    seen, fresh = (inputs[:-held_out], inputs[-held_out:]) if held_out else (inputs, inputs)
    middle = min(range(len(levels)), key=lambda index: abs(levels[index] - HALF))
    own_errors: dict[str, list[float]] = {}
    halves: dict[str, torch.Tensor] = {}
    steps = iter(progress(range(2 * len(weights)), "what each layer loses"))

    def measure(name: str, module: nn.Module, read: torch.Tensor) -> None:
        if name in own_errors:
            return
        next(steps)
        parts = (read[: len(seen)], read[-len(fresh) :])
        both = (_columns(module, part, torch.Generator().manual_seed(0)) for part in parts)
        fitted, checked = (columns.transpose(1, 2) @ columns / columns.shape[1] for columns in both)
        rows, always = _rows(module)
        keeps = [max(1, round(level * weights[name].numel())) for level in levels]
        counts = torch.ones(*rows.shape[:2], 1) if importance is None else importance[name]
        path = [found for found, _ in sparse_path(rows, Moments(fitted, fitted), keeps, always, counts)]
        own_errors[name] = [relative_error(rows, found, checked, counts) for found in path]
        halves[name] = path[middle]

    hooks = [
        dense.get_submodule(name).register_forward_pre_hook(
            lambda module, read, name=name: measure(name, module, read[0])
        )
        for name in weights
    ]
    errors = {}
    with torch.no_grad():
        dense(inputs)
        for hook in hooks:
            hook.remove()
        wanted = dense(fresh)
        for name in weights:
            next(steps)
            module = dense.get_submodule(name)
            rows, always = (tensor.clone() for tensor in _rows(module))
            _set_rows(module, halves[name], always)
            lost = float((dense(fresh) - wanted).square().sum() / wanted.square().sum().clamp(min=1e-30))
            _set_rows(module, rows, always)
            factor = lost / max(own_errors[name][middle], NOISE)
            errors[name] = [factor * error for error in own_errors[name]]
    next(steps, None)
    return errors


def row_importance(
    model: nn.Module, inputs: torch.Tensor, names: Sequence[str] | None = None
) -> dict[str, torch.Tensor]:
    """How much an error of each row moves the model's outputs, float [groups, rows, 1] for each module, 1 on the average.

    It is the mean square of the slope of the outputs, in random directions, against what the row gives, summed over its pixels:
    what the square of a small error counts. No row counts less than a hundredth of the average.

    Args:
        model, inputs, names: as in `reconstruct`.
    """
    dense = own_copy(model).eval()
    weights = prunable(dense, names)
    _check_modules(dense, list(weights), inputs)
    generator = torch.Generator().manual_seed(0)
    squares = dict.fromkeys(weights, torch.zeros(()))

    def watch(name: str, module: nn.Module, made: torch.Tensor) -> None:
        def add(slope: torch.Tensor) -> None:
            rows = slope.movedim(1 if isinstance(module, nn.Conv2d) else -1, 0)
            squares[name] = squares[name] + rows.flatten(1).square().sum(dim=1)

        made.register_hook(add)  # type: ignore[no-untyped-call]  # torch has no types here

    for name in weights:
        dense.get_submodule(name).register_forward_hook(
            lambda module, _read, made, name=name: watch(name, module, made)
        )
    with torch.enable_grad():
        for batch in torch.split(inputs[:SLOPES], BATCH):
            outputs = dense(batch)
            outputs.backward(torch.randn(outputs.shape, generator=generator))
    found = {}
    for name, square in squares.items():
        groups = getattr(dense.get_submodule(name), "groups", 1)
        mean = square.mean().clamp(min=1e-30)
        found[name] = (square / mean).clamp(min=0.01).reshape(groups, -1, 1)
    return found


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
                f"module {name!r} is a {type(module).__name__}, and only Linear, and Conv2d padded with zeros, can be "
                "reconstructed: prune the model as a `.pt2` file, or leave the module out by names"
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
        padded = module.padding_mode == "zeros" and not isinstance(module.padding, str)
        return type(module).forward is nn.Conv2d.forward and padded
    return type(module).forward is nn.Linear.forward


def _columns(module: nn.Module, maps: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """What a layer's rows multiply, [groups, pixels, columns]."""
    if isinstance(module, nn.Conv2d):
        down, across = (int(side) for side in module.padding)
        padded = functional.pad(maps, (across, across, down, down))
        kernel, stride, dilation = module.kernel_size, module.stride, module.dilation
        return columns_of(
            padded,
            (kernel[0], kernel[1]),
            (stride[0], stride[1]),
            (dilation[0], dilation[1]),
            module.groups,
            module.bias is not None,
            generator,
        )
    features = maps.reshape(-1, maps.shape[-1], 1, 1)
    return columns_of(features, (1, 1), (1, 1), (1, 1), 1, module.bias is not None, generator)


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


def _set_rows(module: nn.Module, rows: torch.Tensor, always: torch.Tensor) -> None:
    """Undoes `_rows`, in place."""
    weights = module.get_parameter("weight")
    weights.copy_(rows[..., ~always].reshape(weights.shape))
    if module.bias is not None:
        module.get_parameter("bias").copy_(rows[..., -1].flatten())
