"""Commands that write Verilog and synthesize it, and the demo."""

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from openwork.cli.arrays import (
    DEFAULT_PRESET,
    ActivationTables,
    Compact,
    Encodings,
    FeatureWords,
    GlobalPooling,
    GroupSizes,
    Lanes,
    MapStations,
    MaxPooling,
    OnBoard,
    Pes,
    Preset,
    Replicas,
    RowBufferNonzeros,
    SinglePort,
    SumBits,
    TapEntries,
    array_config,
    named_encodings,
    preset_of,
)
from openwork.cli.checks import check_record
from openwork.cli.on_board import board_named
from openwork.cli.terminal import AsJson, app, choose, output, say, show, steps, working
from openwork_hw.arch.config import PRESETS, ConfigError, Technology


class Shell(StrEnum):
    """What `openwork verilog` writes around the array."""

    NONE = "none"
    MEMORY = "memory"
    AXI = "axi"


IMAGE_WORDS = 16384
"""Words of a block's image memory, if the option does not give another number."""


@app.command()
def verilog(
    preset: Preset = DEFAULT_PRESET,
    board: OnBoard = None,
    pes: Pes = None,
    lanes: Lanes = None,
    feature_words: FeatureWords = None,
    row_buffer_nonzeros: RowBufferNonzeros = None,
    tap_entries: TapEntries = None,
    sum_bits: SumBits = None,
    single_port: SinglePort = None,
    group_sizes: GroupSizes = None,
    replicas: Replicas = None,
    max_pooling: MaxPooling = None,
    global_pooling: GlobalPooling = None,
    compact: Compact = None,
    activation_tables: ActivationTables = None,
    map_stations: MapStations = None,
    technology: Annotated[Technology | None, typer.Option(help="Device family whose primitives are used.")] = None,
    encoding: Encodings = None,
    shell: Annotated[
        Shell,
        typer.Option(
            help="What is around the array. none: the array alone; memory: a block that runs images from a memory outside; axi: a "
            "block with an image memory, AXI4-Lite registers and AXI4-Stream data (docs/registers.md)."
        ),
    ] = Shell.NONE,
    image_words: Annotated[
        int | None,
        typer.Option(
            min=1, help="With --shell axi: words of 32 bits in its image memory.", show_default=str(IMAGE_WORDS)
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--output", "-o", help="Folder to write NAME.v and NAME.vlt into.")] = Path(
        "build"
    ),
    name: Annotated[
        str | None,
        typer.Option(
            help="Name of the top module and its file.",
            show_default="openwork_PESxLANES, openwork_memory_PESxLANES, openwork_axi_PESxLANES",
        ),
    ] = None,
) -> None:
    """Write the array, alone or as a block for a system, as Verilog for simulators and synthesizers.

    The preset gives every size without an option of its own. NAME.vlt tells Verilator which of its rules the Verilog does not
    keep, and why. NAME_cells.v holds models of the part's cells for simulation, if the technology needs them. For example:

      openwork verilog --pes 4 --lanes 4 -o build/

      openwork verilog --preset ecp5-85k --encoding packed

      openwork verilog --board ulx3s-85f

      openwork verilog --preset demo --lanes 6 --feature-words 4096 --name my_array

      openwork verilog --preset demo --encoding packed --shell axi --image-words 8192
    """
    from openwork.files import check_folder

    config = array_config(
        preset_of(preset, board),
        pes=pes,
        lanes=lanes,
        feature_words=feature_words,
        row_buffer_nonzeros=row_buffer_nonzeros,
        tap_entries=tap_entries,
        sum_bits=sum_bits,
        single_port=single_port,
        group_sizes=tuple(group_sizes) if group_sizes else None,
        replicas=replicas,
        max_pooling=max_pooling,
        global_pooling=global_pooling,
        compact=compact,
        activation_tables=activation_tables,
        map_stations=map_stations,
        technology=technology,
    )
    if board is not None and not encoding:
        encoding = [one.name.lower() for one in board_named(board).encodings]
    encodings = named_encodings(encoding, config)
    check_folder(out)
    if image_words is not None and shell is not Shell.AXI:
        raise ConfigError("--image-words is for --shell axi: no other shell has an image memory of its own")

    from openwork_fpga.verilog_names import module_name

    prefix = "openwork" if shell is Shell.NONE else f"openwork_{shell}"
    path = out / f"{module_name(name or f'{prefix}_{config.pes}x{config.lanes}')}.v"

    from openwork_fpga.verilog import write_bus_shell, write_image_runner, write_verilog

    with working(f"Writing {config} to {path}"):
        if shell is Shell.AXI:
            write_bus_shell(config, path, encodings, image_words or IMAGE_WORDS)
        elif shell is Shell.MEMORY:
            write_image_runner(config, path, encodings)
        else:
            write_verilog(config, path, encodings)
    say(f"{path}: {config}, {path.stat().st_size / 1024:.0f} KiB")


@app.command()
def synth(
    device: Annotated[str, typer.Option(help="Part: lfe5u-85f, lfe5u-25f or ice40up5k.")],
    preset: Annotated[
        str | None, typer.Option(help=f"Array to start from: {', '.join(PRESETS)}.", show_default="the part's own")
    ] = None,
    pes: Pes = None,
    lanes: Lanes = None,
    feature_words: FeatureWords = None,
    row_buffer_nonzeros: RowBufferNonzeros = None,
    tap_entries: TapEntries = None,
    sum_bits: SumBits = None,
    single_port: SinglePort = None,
    group_sizes: GroupSizes = None,
    replicas: Replicas = None,
    max_pooling: MaxPooling = None,
    global_pooling: GlobalPooling = None,
    compact: Compact = None,
    activation_tables: ActivationTables = None,
    map_stations: MapStations = None,
    encoding: Annotated[
        list[str] | None,
        typer.Option(
            "--encoding",
            help="Encoding that the array decodes; may be repeated.",
            show_default="the encodings that suit the part",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="Placer seeds: the clock differs from seed to seed.")] = 5,
    out: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the tools' files and logs, one folder per part.")
    ] = Path("build"),
    record: Annotated[
        Path | None, typer.Option(help="JSON file to keep the result in.", show_default="record.json beside the logs")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Synthesize, place and route an array, and print its size and its clock.

    The table has LUTs, flip-flops, multipliers, memories, the clock over all seeds, and the critical path. For example:

      openwork synth --device lfe5u-85f

      openwork synth --device ice40up5k --seeds 1 --encoding csr

      openwork synth --device lfe5u-25f --pes 3 --lanes 8 --record my_array.json
    """
    from openwork.files import check_folder, naming
    from openwork.records import Origin, run_values, write_record
    from openwork_fpga import report
    from openwork_fpga.devices import DEVICES
    from openwork_fpga.synth import synthesize

    part = choose("device", device, DEVICES)
    config = array_config(
        preset or part.preset,
        pes=pes,
        lanes=lanes,
        feature_words=feature_words,
        row_buffer_nonzeros=row_buffer_nonzeros,
        tap_entries=tap_entries,
        sum_bits=sum_bits,
        single_port=single_port,
        group_sizes=tuple(group_sizes) if group_sizes else None,
        replicas=replicas,
        max_pooling=max_pooling,
        global_pooling=global_pooling,
        compact=compact,
        activation_tables=activation_tables,
        map_stations=map_stations,
        technology=part.family.technology,
    )
    encodings = named_encodings(encoding, config) if encoding else part.encodings
    folder = out / part.name
    check_folder(out)
    check_folder(folder)
    check_record(record)

    origin = Origin.now(shlex.join(["openwork", *sys.argv[1:]]))
    with steps() as progress, naming(folder, "written into"):
        result = synthesize(
            config,
            part,
            folder,
            lambda what, done, total: progress(done, total, what),
            seeds=range(1, seeds + 1),
            encodings=encodings,
        )
    run = result.run(origin)
    write_record(record or folder / "record.json", [run])
    show(as_json, run_values(run), report.table(result))


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--output", "-o", help="Folder for the Verilog and the simulation.")] = Path(
        "build"
    ),
) -> None:
    """Train, prune and quantize a CNN, run it as Verilog in a simulator, and compare every output with the golden model."""
    from openwork.files import check_folder, naming

    check_folder(out)

    from openwork_dv.demo import run_demo

    with naming(out, "written into"):
        good = run_demo(output, out)
    if not good:
        raise typer.Exit(1)
