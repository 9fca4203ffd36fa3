"""Synthesize, place and route one array, and keep what it measured."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from openwork.records import Origin, Run, Value
from openwork_fpga import floorplan, nextpnr, yosys
from openwork_fpga.devices import Device
from openwork_fpga.implement import SEEDS, Progress, implement
from openwork_fpga.nextpnr import PathStep
from openwork_hw.accelerator import Accelerator
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.encodings import chosen_encodings
from openwork_hw.arch.nonzeros import Encoding


@dataclass(frozen=True)
class SynthesisResult:
    """What one array takes of a part, and how fast it runs there.

    Attributes:
        device: the part.
        config: the array.
        encodings: the weight streams that it decodes.
        luts: see `Implementation.luts` for how they are counted.
        flip_flops, dsps, block_memories, large_memories: of their kinds, harness included.
        clocks_mhz: highest clock of each placer seed.
        critical_path: of the seed with the median clock.
        tools: names and versions.
    """

    device: Device
    config: ArrayConfig
    encodings: tuple[Encoding, ...]
    luts: int
    flip_flops: int
    dsps: int
    block_memories: int
    large_memories: int
    clocks_mhz: dict[int, float]
    critical_path: tuple[PathStep, ...]
    tools: tuple[str, ...]

    @property
    def median_mhz(self) -> float:
        """Median clock over the seeds (the lower of the two middle ones where their number is even)."""
        ordered = sorted(self.clocks_mhz.values())
        return ordered[(len(ordered) - 1) // 2]

    @property
    def luts_per_mac(self) -> float:
        """LUTs of the whole accelerator for each multiply-accumulator."""
        return round(self.luts / self.config.macs, 1)

    def run(self, origin: Origin) -> Run:
        """What the record keeps."""
        figures: list[tuple[str, str, Value]] = [
            ("macs", "MACs", self.config.macs),
            ("luts", "LUTs", self.luts),
            ("luts_per_mac", "LUTs/MAC", self.luts_per_mac),
            ("flip_flops", "flip-flops", self.flip_flops),
            ("dsps", "multiplier blocks", self.dsps),
            ("block_memories", "block memories", self.block_memories),
            ("large_memories", "256-kbit memories", self.large_memories),
            ("clock_median", "MHz", self.median_mhz),
            ("clock_lowest", "MHz", min(self.clocks_mhz.values())),
            ("clock_highest", "MHz", max(self.clocks_mhz.values())),
            *((f"clock_seed_{seed}", "MHz", clock) for seed, clock in self.clocks_mhz.items()),
            ("critical_path", "ns", [(step.kind, step.name, step.delay_ns) for step in self.critical_path]),
        ]
        encodings = [encoding.name.lower() for encoding in self.encodings]
        configuration = asdict(self.config) | {"encodings": encodings}
        return replace(origin, tools=self.tools).measured(
            configuration, figures, device=self.device.name, speed=self.device.speed
        )


def synthesize(
    config: ArrayConfig,
    device: Device,
    build_dir: Path,
    progress: Progress,
    *,
    seeds: Sequence[int] = SEEDS,
    encodings: tuple[Encoding, ...] | None = None,
) -> SynthesisResult:
    """Take the accelerator of `config` to a routed design on `device`, once for each placer seed.

    Raises:
        ToolError: a tool stopped; where the array does not fit, the message says what there is too little of.
    """
    encodings = chosen_encodings(config, encodings)
    outcome = implement(
        Accelerator(config, encodings=encodings),
        device,
        seeds,
        build_dir,
        progress,
        floorplan=partial(floorplan.places, device, config),
    )
    return SynthesisResult(
        device=device,
        config=config,
        encodings=encodings,
        luts=outcome.luts,
        flip_flops=outcome.flip_flops,
        dsps=outcome.dsps,
        block_memories=outcome.block_memories,
        large_memories=outcome.large_memories,
        clocks_mhz={routed.seed: routed.clock_mhz for routed in outcome.routed},
        critical_path=outcome.critical_path,
        tools=(yosys.version(), nextpnr.version(device.family)),
    )
