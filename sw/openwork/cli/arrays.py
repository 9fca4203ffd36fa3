"""The options that describe an array, for all commands that need an array."""

from dataclasses import replace
from typing import Annotated, Any

import typer

from openwork.cli.terminal import choose
from openwork_hw.arch.config import PRESETS, ArrayConfig, ConfigError
from openwork_hw.arch.encodings import chosen_encodings
from openwork_hw.arch.nonzeros import Encoding

DEFAULT_PRESET = "demo"

Preset = Annotated[str, typer.Option(help=f"Array to start from: {', '.join(PRESETS)}.")]
OnBoard = Annotated[
    str | None,
    typer.Option("--board", help="Start from the array of this board instead (openwork boards).", show_default=False),
]
Pes = Annotated[int | None, typer.Option(help="Processing elements in the chain.")]
Lanes = Annotated[int | None, typer.Option(help="Multiply-accumulators in a PE.")]
FeatureWords = Annotated[int | None, typer.Option(help="Words of a PE's feature memory.")]
RowBufferNonzeros = Annotated[int | None, typer.Option(help="Longest row that can be replayed.")]
TapEntries = Annotated[int | None, typer.Option(help="Entries of the tap table.")]
SumBits = Annotated[int | None, typer.Option(help="Width of an accumulator.")]
SinglePort = Annotated[
    bool | None, typer.Option("--single-port/--two-ports", help="Ports of the feature memory.", show_default=False)
]
GroupSizes = Annotated[
    list[int] | None,
    typer.Option(
        "--group-size", help="PEs that may share a stream; repeat it for more.", show_default="all divisors of PEs"
    ),
]
Replicas = Annotated[
    int | None, typer.Option(help="Streams whose outputs are copied to each other.", show_default="the preset's")
]
MaxPooling = Annotated[
    bool | None,
    typer.Option("--max-pooling/--no-max-pooling", help="Accumulators that keep a maximum.", show_default=False),
]
GlobalPooling = Annotated[
    bool | None,
    typer.Option("--global-pooling/--no-global-pooling", help="Sums over all lanes and PEs.", show_default=False),
]
Compact = Annotated[
    bool | None,
    typer.Option(
        "--compact/--no-compact",
        help="The form for small parts, which decodes csr, a byte per cycle.",
        show_default=False,
    ),
]
ActivationTables = Annotated[
    bool | None,
    typer.Option(
        "--activation-tables/--no-activation-tables",
        help="Tables for functions like SiLU, GELU and sigmoid.",
        show_default=False,
    ),
]
MapStations = Annotated[
    bool | None,
    typer.Option(
        "--map-stations/--no-map-stations",
        help="Maps move beside passes, to and from an external memory.",
        show_default=False,
    ),
]
Encodings = Annotated[
    list[str] | None,
    typer.Option(
        "--encoding",
        help="Weight encoding to decode, csr, triplet or packed; repeat it for more.",
        show_default="all that the array can decode",
    ),
]


def preset_of(preset: str, board: str | None) -> str:
    """The preset that is meant: a board's own, where a board is named.

    Raises:
        ConfigError: there is no such board, or it has another preset than the one that is named, too.
    """
    if board is None:
        return preset
    from openwork.cli.on_board import board_named

    own = board_named(board).preset
    if preset not in (DEFAULT_PRESET, own):
        raise ConfigError(f"{board} has the array of the preset {own}: leave --preset out, or the board")
    return own


def array_config(preset: str, **sizes: Any) -> ArrayConfig:
    """The configuration of a preset, changed by the sizes that the options give.

    Where a size that was named contradicts one of the preset's, the preset's gives way. Its `group_sizes` are divisors of its own
    `pes`: another number of PEs may be divided in all ways. Its `replicas` become as few as the lanes and the ports allow, and its
    `map_stations` go where the array has no place for them.

    Raises:
        ConfigError: no such preset, or a size that no array can have.
    """
    named = {name: size for name, size in sizes.items() if size is not None}
    if "pes" in named:
        named.setdefault("group_sizes", ())
    if preset not in PRESETS:
        raise ConfigError(
            f"there is no preset {preset or repr(preset)}: there are {', '.join(PRESETS)}; a board is named with --board"
        )
    base = PRESETS[preset]
    if named.get("lanes") == 1 or named.get("single_port") or named.get("compact"):
        named.setdefault("map_stations", False)
    if "replicas" not in named:
        # The array of these sizes says how many replicas it bears.
        alone = replace(base, **named, replicas=1)
        named["replicas"] = min(base.replicas, alone.most_replicas)
    return replace(base, **named)


def named_encodings(names: list[str] | None, config: ArrayConfig) -> tuple[Encoding, ...]:
    """The encodings of these names; all that the array can decode, if none is named.

    Raises:
        ConfigError: the array cannot decode one of them.
    """
    known = {kind.name.lower(): kind for kind in Encoding}
    named = tuple(sorted({choose("encoding", name, known) for name in names})) if names else None
    return chosen_encodings(config, named)
