"""What a compiled image costs, step by step."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openwork.image import Image
from openwork.layer import IntegerLayer
from openwork.network import IntegerNetwork, Shape, Step
from openwork.report.memory import alive, memory_spans
from openwork_hw.arch.commands import RunCommand
from openwork_hw.arch.encodings import entropy_bound_bits


@dataclass(frozen=True)
class LayerRow:
    """One step of a compiled network.

    Attributes:
        number: of the step, from 1.
        step: its name, that of the tensor it makes.
        kind: ``layer``, or what a step without weights does.
        shape: of what it makes: channels, height, width.
        weights, nonzeros: of the step's matrix, zeros included and not; both 0 where there are none.
        own_weights, own_nonzeros: without what sums and averages of the model became (see `own_weights`).
        row_groups, streams: PEs that share a weight stream, and how many streams there are; both 0 for a step of moves only.
        holds: local pixels of each pass over the weights.
        stream_words: of the weight streams; every pass over the same rows reads the same ones.
        macs: useful multiply-accumulates of one input.
        cycles: predicted, moves included.
        bound_cycles: ``macs`` divided by the MACs of the array: no array of as many multipliers takes fewer.
        share: of the cycles of all steps, 0 to 1.
        memory_words: feature words per PE that hold something while the step runs; of a fused step, up to the highest word that it
            reads or writes.
    """

    number: int
    step: str
    kind: str
    shape: Shape
    weights: int
    nonzeros: int
    own_weights: int
    own_nonzeros: int
    row_groups: int
    streams: int
    holds: tuple[int, ...]
    stream_words: int
    macs: int
    cycles: int
    bound_cycles: float
    share: float
    memory_words: int

    @property
    def utilization(self) -> float:
        """Useful multiply-accumulates / what the array could do in the step's cycles."""
        return self.bound_cycles / self.cycles if self.cycles else 0.0

    @property
    def density(self) -> float | None:
        """Nonzeros / weights, of the model's own; None without."""
        return self.own_nonzeros / self.own_weights if self.own_weights else None

    @property
    def nonzero_bits(self) -> float | None:
        """Bits of the weight streams for each nonzero, padding and headers included; None without nonzeros."""
        return 32 * self.stream_words / self.nonzeros if self.nonzeros else None

    @property
    def bound_bits(self) -> float | None:
        """Fewest bits per nonzero for random values at random positions of the matrix; None without nonzeros."""
        if not self.nonzeros or not self.stream_words:
            return None
        return 8.0 if self.nonzeros == self.weights else entropy_bound_bits(self.nonzeros / self.weights)


def layer_rows(image: Image) -> list[LayerRow]:
    """A row for each step, in the order in which they run."""
    runs: dict[str, list[tuple[RunCommand, int]]] = {}
    reach: dict[str, int] = {}  # of fused steps: the feature words up to the highest that they read or write
    sweeps: dict[str, tuple[int, int]] = {}  # of fused steps: words of all weight streams, and rows in them
    places = {place.tensor: place for place in image.places}
    for plan, instruction in zip(image.commands, image.instructions, strict=True):
        command, place = instruction.command, places[plan.tensor]
        if not isinstance(command, RunCommand):
            continue
        words = sum(len(feeder.words) for feeder in instruction.feeders)
        if plan.tensor in image.spilled:
            ends = [command.output_base + command.hold * command.output_stride]
            ends += [tap.address + command.layout.channels for tap in instruction.taps]
            reach[plan.tensor] = max(reach.get(plan.tensor, 0), *ends)
            before, rows_before = sweeps.get(plan.tensor, (0, 0))
            written = sum(record.write for feeder in instruction.feeders for record in feeder.records)
            sweeps[plan.tensor] = before + words, rows_before + written
            runs.setdefault(plan.tensor, []).append((command, words))
        # Not what a step makes for itself before it makes its output.
        elif 0 <= command.output_base - place.base < place.words:
            runs.setdefault(plan.tensor, []).append((command, words))
    spans = memory_spans(image)
    cycles = image.step_cycles()
    total = image.compute_cycles
    rows = []
    for number, step in enumerate(image.network.steps, start=1):
        passes = runs.get(step.output, [])
        own = own_weights(image.network, step)
        rows.append(
            LayerRow(
                number=number,
                step=step.output,
                kind=step.description,
                shape=image.network.tensor(step.output).shape,
                weights=sum(layer.weights.size for layer in step.layers),
                nonzeros=sum(layer.nonzeros for layer in step.layers),
                own_weights=own.size,
                own_nonzeros=int(np.count_nonzero(own)),
                row_groups=passes[0][0].row_groups if passes else 0,
                streams=image.config.pes // passes[0][0].row_groups if passes else 0,
                holds=tuple(run.hold for run, _ in passes),
                stream_words=_stream_words(passes, sweeps.get(step.output), image.network.tensor(step.output).shape[0]),
                macs=step.macs,
                cycles=cycles[step.output],
                bound_cycles=step.macs / image.config.macs,
                share=cycles[step.output] / total,
                memory_words=reach.get(step.output) or alive(spans, number),
            )
        )
    return rows


def _stream_words(passes: Sequence[tuple[RunCommand, int]], sweep: tuple[int, int] | None, rows: int) -> int:
    """Words of the weight streams of all rows of a step, once.

    Args:
        passes: the passes of the step, and the words of each.
        sweep: for a fused step, the words of all its passes, and the rows in them; its passes may cut the rows in several ways.
    """
    if sweep is not None:
        return round(sweep[0] * rows / sweep[1])
    return sum(words for run, words in passes if run.output_base == passes[0][0].output_base)


def image_values(image: Image) -> dict[str, Any]:
    """What a compiled image costs, as JSON values: the figures of the table of its layers, with whole precision."""
    layers = [
        asdict(row) | {"utilization": row.utilization, "density": row.density, "nonzero_bits": row.nonzero_bits}
        for row in layer_rows(image)
    ]
    return {
        "array": str(image.config),
        "encoding": image.encoding.name.lower(),
        "image_words": len(image.words),
        "compute_cycles": image.compute_cycles,
        "predicted_cycles": image.predicted_cycles,
        "utilization": image.utilization,
        "layers": layers,
    }


def own_weights(network: IntegerNetwork, step: Step) -> NDArray[np.int8]:
    """The weights of a step that are the model's, in one row: not what its sums and averages became.

    A sum is an input of as many channels as there are rows, each row reading its own channel at one place; an average is a layer in
    which each row reads its own channel, and all weights are equal.
    """
    channels = [network.tensor(name).shape[0] for name in step.inputs]
    return np.concatenate([np.zeros(0, np.int8), *(one for layer in step.layers for one in _own(layer, channels))])


def _own(layer: IntegerLayer, channels: Sequence[int]) -> Iterator[NDArray[np.int8]]:
    """Rows of weights of a layer whose inputs have so many channels each."""
    if layer.groups > 1 or len(channels) == 1:
        by_channel = layer.groups == layer.rows == layer.channels
        if not (by_channel and layer.taps > 1 and (layer.weights == layer.weights.flat[0]).all()):
            yield layer.weights.reshape(-1)
        return
    blocks = np.split(layer.weights.reshape(layer.rows, layer.channels, layer.taps), np.cumsum(channels)[:-1], axis=1)
    yield from (block.reshape(-1) for block in blocks if not _is_sum(block))


def _is_sum(block: NDArray[np.int8]) -> bool:
    """Of weights int8 [rows, channels, taps] of one input."""
    rows, channels, taps = np.nonzero(block)
    return block.shape[0] == block.shape[1] and bool((rows == channels).all()) and len(np.unique(taps)) <= 1
