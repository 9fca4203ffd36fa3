"""The command that says what masks without a model cost on an array."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType

from openwork.cli.arrays import (
    DEFAULT_PRESET,
    FeatureWords,
    Lanes,
    OnBoard,
    Pes,
    Preset,
    array_config,
    named_encodings,
    preset_of,
)
from openwork.cli.checks import OptionError, check_files
from openwork.cli.on_board import BoardError, board_named, check_fits, planned_for
from openwork.cli.terminal import AsJson, app, counting, show, warn
from openwork_hw.arch.config import PRESETS
from openwork_hw.arch.refusal import Refusal

if TYPE_CHECKING:
    from openwork.image import Image
    from openwork.layer import IntegerLayer
    from openwork.report.mask_cycles import MaskCost
    from openwork_fpga.boards.board import Board
    from openwork_hw.arch.config import ArrayConfig
    from openwork_hw.arch.nonzeros import Encoding

CAPTION = (
    "Bits per nonzero: one stream per layer, metadata counted. Cycles are predicted, and are those of each layer alone."
)


@app.command()
def cycles(
    masks: Annotated[
        list[Path], typer.Argument(help="Files of masks: .npz (dense arrays, or a CSR matrix of scipy), .npy or .smtx.")
    ],
    board: OnBoard = None,
    preset: Preset = DEFAULT_PRESET,
    pes: Pes = None,
    lanes: Lanes = None,
    feature_words: FeatureWords = None,
    encoding: Annotated[
        str | None,
        typer.Option(
            help="Encoding of the weight streams: csr, triplet or packed.",
            show_default="the board's; packed; csr for a compact array",
        ),
    ] = None,
    pixels: Annotated[
        str | None,
        typer.Option(help="Height x width of the input maps, as in 56x56.", show_default="layers read vectors"),
    ] = None,
    kernel: Annotated[
        str | None,
        typer.Option(
            help="Kernel of masks with two dimensions, as in 3x3: columns are channels x taps.", show_default="1x1"
        ),
    ] = None,
    stride: Annotated[str, typer.Option(help="Stride of the convolutions, as in 2 or 2x1.")] = "1",
    padding: Annotated[
        int | None,
        typer.Option(min=0, max=1 << 16, help="Pixels added on each side.", show_default="half the kernel"),
    ] = None,
    groups: Annotated[int, typer.Option(min=1, max=1 << 16, help="Groups of the convolutions.")] = 1,
    channels_last: Annotated[
        bool,
        typer.Option(
            "--channels-last",
            help="Columns of masks with two dimensions are kernel row, kernel column, channel, as in the Deep Learning "
            "Matrix Collection, and not channel, kernel row, kernel column.",
        ),
    ] = False,
    layer: Annotated[
        list[str] | None,
        typer.Option(
            help="Another geometry for some layers: PATTERN=HxW, with kernel=HxW, stride=HxW, padding=N or groups=N behind "
            "commas. May be repeated; of patterns that match a layer, the last counts.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what masks without a model cost: cycles, utilization, and bits per nonzero in each encoding.

    Weights that are not 0 stay; what they are does not change a cycle. The compiler lays each layer out. The exit status is 1
    if a layer does not fit. For example:

      openwork cycles masks.npz --board ulx3s-85f

      openwork cycles rn50/*.smtx --preset ecp5-85k --feature-words 65536 --pixels 28x28 --channels-last --json

      openwork cycles masks.npz --pixels 32x32 --kernel 3x3 --layer 'fc*=1x1,kernel=1x1' --layer 'stage2*=16x16,kernel=3x3'
    """
    from openwork.files.masks import read_masks
    from openwork.masks import Geometry, geometries, layer_of, parsed_geometry, parsed_pair

    common = Geometry(
        None if pixels is None else parsed_pair("--pixels", pixels),
        None if kernel is None else parsed_pair("--kernel", kernel),
        parsed_pair("--stride", stride),
        padding,
        groups,
        channels_last,
    )
    special = dict(parsed_geometry(text, common) for text in layer or ())
    place = None if board is None else board_named(board)
    config = array_config(preset_of(preset, board), pes=pes, lanes=lanes, feature_words=feature_words)
    if place is not None and config != place.config:
        raise OptionError(f"{board} has the array of the preset {place.preset}: leave the sizes out, or the board")
    if place is not None and encoding is None:
        encoding = place.encodings[0].name.lower()
    chosen = named_encodings(None if encoding is None else [encoding], config)[-1]
    check_files(masks, ())
    found = [mask for path in masks for mask in read_masks(path)]
    names = [mask.name for mask in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise OptionError(f"two masks are called {twice}: give them different names")

    from openwork.report.mask_cycles import mask_table, mask_totals

    layers = [layer_of(*one, config) for one in zip(found, geometries(names, common, special), strict=True)]
    with counting() as progress:
        costs = [_cost(layers[number], config, chosen, place) for number in progress(range(len(layers)), "laying out")]
    totals = mask_totals(costs, config.macs)
    array = f"{config}, {config.feature_words:,} feature words per PE, {chosen.name.lower()}"
    if config == PRESETS[preset_of(preset, board)]:
        array = f"{board or preset}: {array}"
    about = {"array": str(config), "board": board, "encoding": chosen.name.lower()}
    shown: list[RenderableType] = [mask_table(costs, totals, array, CAPTION)]
    if place is not None and totals["run_cycles"]:
        shown.append(_time_line(place, totals))
    show(as_json, {**about, "layers": [one.as_json() for one in costs], "total": totals}, *shown)
    for one in costs:
        if one.reason and not as_json:
            warn(one.reason)
    if any(one.reason for one in costs):
        raise typer.Exit(1)


def _cost(layer: "IntegerLayer", config: "ArrayConfig", encoding: "Encoding", board: "Board | None") -> "MaskCost":
    """What a layer costs, or why it does not fit."""
    from openwork.compiler.network import compile_network
    from openwork.network import one_layer_network
    from openwork.report.mask_cycles import mask_cost

    image: Image | None = None
    try:
        network = one_layer_network(layer)
        if board is None:
            return mask_cost(layer, compile_network(network, config, encoding))
        image = planned_for(board, network, encoding)[1]
        fetched = check_fits(board, image)
        return mask_cost(layer, image, None if fetched is None else fetched.cycles)
    except BoardError as reason:
        return mask_cost(layer, image, reason=f"layer {layer.name!r}: {reason}")
    except Refusal as reason:
        return mask_cost(layer, None, reason=str(reason))


def _time_line(board: "Board", totals: dict[str, int]) -> str:
    clock = board.clock_mhz
    return (
        f"{board.name} at {clock:g} MHz, predicted: {totals['cycles'] / clock / 1e3:,.3f} ms computing, "
        f"{totals['run_cycles'] / clock / 1e3:,.3f} ms with loading, storing and fetching each layer by itself."
    )
