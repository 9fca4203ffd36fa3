"""Commands that prune a model, and that show what sparsity costs."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from io import BytesIO
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from openwork.cli.arrays import DEFAULT_PRESET, FeatureWords, Lanes, OnBoard, Pes, Preset, array_config, preset_of
from openwork.cli.checks import (
    MAX_SEED,
    OptionError,
    check_above_zero,
    check_clock,
    check_files,
    check_labels,
    check_list,
    check_model,
    check_real,
    check_shape,
    check_share,
)
from openwork.cli.terminal import AsJson, app, choose, counting, output, show, status, warn, working

if TYPE_CHECKING:
    import torch

    from openwork.pruning import Score
    from openwork.quantization import TrainableNetwork
    from openwork_hw.arch.config import ArrayConfig


class Needs(NamedTuple):
    """What a method needs: see `openwork.pruning.MethodInfo`, which comes with torch."""

    trains: bool = False
    needs_data: bool = False


METHODS = {
    "magnitude": Needs(),
    "obc": Needs(needs_data=True),
    "n-of-m": Needs(),
    "channels": Needs(),
    "gradual": Needs(trains=True, needs_data=True),
    "proximal": Needs(trains=True, needs_data=True),
    "rigl": Needs(trains=True, needs_data=True),
}
"""Names of `openwork.pruning.METHODS`, and what each method needs."""

DEFAULT_METHOD = "obc"

MAY_LOSE = 0.1
"""Share of accuracy, or of agreement, that pruning may cost before a command warns."""

SCOPES = ("layer", "global", "erk")
CALIBRATION = 32
"""Inputs that are enough where only cycles are asked for."""

Model = Annotated[
    str, typer.Argument(help="A .pt2 file of torch.export.save, an .onnx file, or package.module:function.")
]
Data = Annotated[
    Path, typer.Option(help=".npy file of real inputs like those the model will see, one a row; a few hundred.")
]
Labels = Annotated[Path | None, typer.Option(help=".npy file of a whole number for each input of --data.")]
Epochs = Annotated[
    int,
    typer.Option(
        min=0, max=1_000_000, help="Passes over the data to train for; without labels the dense model teaches."
    ),
]
Rate = Annotated[float, typer.Option(help="Highest learning rate.")]
Seed = Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Of the order of the inputs.")]
Scope = Annotated[
    str,
    typer.Option(help="How the density is shared out: layer (the same in each), global, or erk (small layers denser)."),
]


def _list_methods(wanted: bool) -> None:
    if not wanted:
        return
    from openwork.pruning import METHODS

    table = Table(box=SIMPLE_HEAD)
    for title in ("method", "what it does", "needs"):
        table.add_column(title)
    for name, method in METHODS.items():
        trained = "data, epochs; labels if there are any"
        table.add_row(name, method.summary, trained if method.trains else "data" if method.needs_data else "nothing")
    output.print(table)
    raise typer.Exit


@app.command()
def prune(
    model: Model,
    out: Annotated[Path, typer.Option("--output", "-o", help="The .pt2 file to write.")],
    data: Annotated[
        Path | None,
        typer.Option(
            help=".npy file of real inputs like those the model will see, one a row; a few hundred. Methods that fit weights to "
            "inputs need it. With it, every method says what the pruned model lost, on inputs that are held back."
        ),
    ] = None,
    method: Annotated[str, typer.Option(help="How; --list tells which there are.")] = DEFAULT_METHOD,
    density: Annotated[float, typer.Option(help="Weights that stay / weights.")] = 0.2,
    cycles: Annotated[
        int | None,
        typer.Option(min=1, help="Instead of a density: the cycles that the array may take; for the method obc."),
    ] = None,
    scope: Scope = "layer",
    layer: Annotated[
        list[str] | None, typer.Option(help="A layer to prune; repeat it for more.", show_default="all")
    ] = None,
    labels: Labels = None,
    epochs: Epochs = 0,
    rate: Rate = 1e-3,
    teaching: Annotated[
        float, typer.Option(help="Share of the dense model in what is learned, 0 to 1, beside the labels.")
    ] = 0.5,
    seed: Seed = 0,
    checkpoint: Annotated[
        Path | None, typer.Option(help="File that keeps each epoch, and that an interrupted training goes on from.")
    ] = None,
    may_lose: Annotated[
        float,
        typer.Option(
            help="Share of accuracy (with --labels), or of agreement with the dense model, that may be lost without a warning."
        ),
    ] = MAY_LOSE,
    preset: Preset = DEFAULT_PRESET,
    board: OnBoard = None,
    pes: Pes = None,
    lanes: Lanes = None,
    feature_words: FeatureWords = None,
    as_json: AsJson = False,
    _list: Annotated[
        bool, typer.Option("--list", help="List the methods and stop.", callback=_list_methods, is_eager=True)
    ] = False,
) -> None:
    """Prune a PyTorch model, and print how many weights of each layer stay and what the model lost.

    Batch norm is folded into the layers first. The accuracy (with --labels), or the agreement with the dense model, is measured
    on every fifth input of --data, which nothing is fitted to. For example:

      openwork prune model.pt2 --density 0.2 --data images.npy -o pruned.pt2

      openwork prune model.pt2 --density 0.2 --data images.npy --labels labels.npy -o pruned.pt2

      openwork prune models:small --method gradual --density 0.1 --data images.npy --labels labels.npy --epochs 10 -o small.pt2

      openwork prune model.pt2 --cycles 100000 --board ulx3s-85f --data images.npy -o pruned.pt2

      openwork prune model.pt2 --density 0.5 --scope global --data images.npy -o pruned.pt2

      openwork prune model.pt2 --method magnitude --density 0.5 -o pruned.pt2

      openwork prune --list
    """
    from openwork.files import write_whole

    choose("scope", scope, dict.fromkeys(SCOPES))
    check_method(method, epochs)
    if cycles is not None and method != "obc":
        raise OptionError(f"--cycles goes with --method obc, not with {method}")
    check_share("density", density)
    check_above_zero("--rate", rate)
    for option, share in (("--teaching", teaching), ("--may-lose", may_lose)):
        if not 0 <= share <= 1:
            raise OptionError(f"{option} must be from 0 to 1, not {share}")
    config = array_config(preset_of(preset, board), pes=pes, lanes=lanes, feature_words=feature_words)
    check_model(model)
    check_files((data, labels), (out, checkpoint))
    if data is None and (METHODS[method].needs_data or epochs):
        raise OptionError(f"the method {method} fits weights to inputs: name a file of inputs with --data")
    if data is None and labels is not None:
        raise OptionError("--labels are those of the inputs of --data: name both, or neither")
    inputs, targets = (None, None) if data is None else _read(data, labels)

    import torch

    from openwork.pruning import held_back, prune_by, scored
    from openwork.pruning.budget import densities_within
    from openwork.pruning.fitting import usual_recipe

    network = _load(model, inputs, data)
    if labels is not None and targets is not None:
        check_labels(labels, targets.numpy(), _classes(network))
    example = torch.zeros(1, *network.network.shapes[network.network.input]) if inputs is None else inputs
    fitted, measured = held_back(0 if inputs is None else len(inputs), fits=METHODS[method].needs_data or epochs > 0)
    given, answers = (
        (example, None) if inputs is None else (inputs[fitted], None if targets is None else targets[fitted])
    )
    recipe = usual_recipe(epochs, rate, teaching, seed, len(given))
    names = layer or network.learned
    levels: float | Mapping[str, float] = density
    score = None
    with counting() as progress:
        if cycles is not None:
            levels = densities_within(network, given, cycles, layer_cycles(given, config), names, progress)
        pruned = prune_by(
            method,
            network,
            levels,
            given,
            answers,
            names=names,
            scope=scope,  # type: ignore[arg-type]  # checked above
            recipe=recipe,
            checkpoint=checkpoint,
            progress=progress,
            tell=_tell_loss,
        )
        if inputs is not None and len(measured):
            held = None if targets is None else targets[measured]
            score = scored(network, pruned.model, inputs[measured], held, progress)
    content = BytesIO()
    torch.export.save(pruned.export(example), content)
    write_whole(out, content.getvalue())
    before = sum(network.get_parameter(f"{name}.weight").numel() for name in pruned.masks)
    stay = sum(int(mask.sum()) for mask in pruned.masks.values())
    modules = [
        {"module": name, "weights": mask.numel(), "nonzeros": int(mask.sum())} for name, mask in pruned.masks.items()
    ]
    values = {"file": str(out), "method": method, "density": stay / before, "modules": modules}
    values["score"] = None if score is None else asdict(score)
    line = f"{out}: {stay:,} of {before:,} weights stay, {stay / before:.3f}."
    show(as_json, values, str(pruned), _score_line(score, data, given), line)
    if score is not None and score.lost > may_lose:
        warn(_warning(score, method))


def _tell_loss(epoch: int, epochs: int, loss: float) -> None:
    status.print(f"epoch {epoch} of {epochs}: loss {loss:.4g}", highlight=False, markup=False)


def _score_line(score: "Score | None", data: Path | None, inputs: "torch.Tensor") -> str:
    """What the model lost, or why nobody knows."""
    if score is not None:
        return f"{score}."
    if data is None:
        return "Nobody knows what the pruned model lost: name inputs with --data to have it measured."
    return (
        f"Nobody knows what the pruned model lost: {len(inputs)} inputs are too few to hold some back; give 10 or more."
    )


def _warning(score: "Score", method: str) -> str:
    """What to do about a loss."""
    others = "with --scope global" if method == "obc" else "with --method obc"
    return (
        f"Warning: pruning cost {100 * score.lost:.1f} points of {score.what.removesuffix(' that is explained')}: raise "
        f"--density, prune {others}, or train on with --epochs."
    )


@app.command()
def explore(
    model: Model,
    data: Data,
    test: Annotated[Path, typer.Option(help=".npy file of inputs to measure on; none of them should be in --data.")],
    out: Annotated[Path, typer.Option("--output", "-o", help="The .html file to write.")],
    test_labels: Annotated[
        Path | None,
        typer.Option(
            help=".npy file of a whole number for each of them; without it answers count that agree with the dense model's."
        ),
    ] = None,
    densities: Annotated[str, typer.Option(help="Densities, with commas.")] = "0.5,0.3,0.2,0.1,0.05",
    methods: Annotated[str, typer.Option(help="Methods of openwork prune --list, with commas.")] = "magnitude,obc",
    scope: Scope = "layer",
    labels: Labels = None,
    epochs: Epochs = 0,
    rate: Rate = 1e-3,
    seed: Seed = 0,
    clock: Annotated[float | None, typer.Option(help="MHz of the array: makes cycles time.")] = None,
    preset: Preset = DEFAULT_PRESET,
    board: OnBoard = None,
    pes: Pes = None,
    lanes: Lanes = None,
    feature_words: FeatureWords = None,
    as_json: AsJson = False,
) -> None:
    """Prune a model by several methods to several densities, and write a page of accuracy, density, size and cycles.

    The accuracy is that of the int8 network, which the array computes. The cycles are predicted. For example:

      openwork explore model.pt2 --data train.npy --test test.npy --test-labels labels.npy -o explore.html

      openwork explore my_models.small:trained --data train.npy --test test.npy --densities 0.2,0.1 --methods obc -o explore.html
    """
    choose("scope", scope, dict.fromkeys(SCOPES))
    try:
        levels = [float(text) for text in check_list("--densities", densities)]
    except ValueError:
        raise OptionError(f"densities are numbers with commas, as in 0.5,0.2, not {densities}") from None
    for level in levels:
        check_share("each of --densities", level)
    names = check_list("--methods", methods)
    for name in names:
        check_method(name, epochs)
    check_above_zero("--rate", rate)
    check_clock(clock)
    config = array_config(preset_of(preset, board), pes=pes, lanes=lanes, feature_words=feature_words)
    check_model(model)
    check_files((data, labels, test, test_labels), (out,))
    inputs, targets = _read(data, labels)
    tested, answers = _read(test, test_labels)

    from openwork.compiler.network import compile_network
    from openwork.frontend import import_program
    from openwork.pruning import prune_by
    from openwork.pruning.fitting import usual_recipe
    from openwork.quantization import quantize
    from openwork.quantization.evaluation import accuracy
    from openwork.report.exploration import exploration_table, write_exploration
    from openwork.report.points import Point
    from openwork_hw.arch.encodings import encodings_of

    network = _load(model, inputs, data)
    dense = network.network
    check_shape(test, tested.shape, dense.shapes[dense.input])
    for path, given in ((labels, targets), (test_labels, answers)):
        if path is not None and given is not None:
            check_labels(path, given.numpy(), _classes(network))
    truth = dense.run(tested).flatten(1).argmax(dim=1) if answers is None else answers
    recipe = usual_recipe(epochs, rate, 0.5, seed, len(inputs))
    total = sum(network.get_parameter(f"{name}.weight").numel() for name in network.learned)
    points = []
    with counting() as progress:
        for name, level in [("dense", 1.0), *((name, level) for name in names for level in levels)]:
            found = dense
            if name != "dense":
                pruned = prune_by(name, network, level, inputs, targets, names=network.learned, scope=scope,  # type: ignore[arg-type]
                                  recipe=recipe, progress=progress)  # fmt: skip  # the scope is checked above
                found = import_program(pruned.export(inputs))
                level = sum(int(mask.sum()) for mask in pruned.masks.values()) / total
            quantized = quantize(found, inputs, progress=progress, error_aware=True)
            image = compile_network(quantized, config, encodings_of(config)[-1])
            share = accuracy(quantized, tested, truth, progress)
            points.append(Point(name, level, share, 4 * len(image.words), image.compute_cycles))
    what = "accuracy" if answers is not None else "agreement with the dense model"
    write_exploration(out, points, name=model, array=str(config), accuracy_is=what, inputs=len(tested), clock_mhz=clock)
    line = f"{out}: {out.stat().st_size / 1024:,.0f} KiB."
    values = {"file": str(out), "accuracy_is": what, "inputs": len(tested), "points": [asdict(one) for one in points]}
    show(as_json, values, exploration_table(points, what, clock), line)


def _read(data: Path, labels: Path | None) -> "tuple[torch.Tensor, torch.Tensor | None]":
    """The inputs, and one label per input if there is a file of labels."""
    from openwork.files import read_array

    array = read_array(data)
    check_real(data, array)
    targets = None if labels is None else read_array(labels)
    if targets is not None and (targets.dtype.kind not in "iu" or targets.shape != array.shape[:1]):
        raise OptionError(
            f"{labels} must hold a whole number for each of the {len(array)} inputs of {data}, not {targets.dtype} "
            f"{list(targets.shape)}"
        )

    import torch

    from openwork.quantization import calibration_inputs

    return calibration_inputs(array).float(), None if targets is None else torch.tensor(targets.astype("int64"))


def check_method(name: str, epochs: int) -> None:
    """Refuse a method that does not exist, and a method that trains if there are no epochs."""
    if choose("method", name, METHODS).trains and not epochs:
        raise OptionError(f"the method {name} prunes while it trains: say for how many epochs, with --epochs")


def _load(model: str, inputs: "torch.Tensor | None", data: Path | None) -> "TrainableNetwork":
    from openwork.frontend import load
    from openwork.quantization import TrainableNetwork

    with working(f"Loading {model}"):
        network = load(model, None if inputs is None else inputs[:1])
    if inputs is not None and data is not None:
        check_shape(data, inputs.shape, network.shapes[network.input])
    return TrainableNetwork(network)


def _classes(network: "TrainableNetwork") -> int:
    """The number of classes of a model: the values of its output."""
    found = network.network
    return sum(prod(found.shapes[name]) for name in found.outputs)


def layer_cycles(inputs: "torch.Tensor", config: "ArrayConfig") -> "Callable[[Any], dict[str, float]]":
    """Predicted cycles of each layer of a pruned network. Sums and averages have their own names."""
    from openwork.compiler.network import compile_network
    from openwork.frontend import FloatJoin
    from openwork.quantization import decide, integer_network
    from openwork_hw.arch.encodings import encodings_of

    def cycles(network: "TrainableNetwork") -> dict[str, float]:
        decided = decide(network.network, inputs[:CALIBRATION])
        layers = {step.output: step.layer.output for step in decided.network.steps if isinstance(step, FloatJoin)}
        found = compile_network(integer_network(decided), config, encodings_of(config)[-1]).step_cycles()
        return {layers.get(step, step): float(count) for step, count in found.items()}

    return cycles
