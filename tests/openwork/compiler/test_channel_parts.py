"""Parts of channels: all parts together multiply what the whole multiplies."""

from collections import defaultdict

import pytest
from tests.openwork.compiler.test_rounds import map_steps

from openwork.compiler.buffers import Buffer
from openwork.compiler.channel_parts import ChannelCuts, even_parts, own_channels
from openwork.compiler.rounds import MapStep


def products(steps: tuple[MapStep, ...]) -> dict[tuple[str, int], set[tuple[str, int, int, int, int]]]:
    """For each tensor and channel what its row multiplies: tensor, channel and place of the operand, and the weight."""
    found: dict[tuple[str, int], set[tuple[str, int, int, int, int]]] = defaultdict(set)
    for one in steps:
        nonzeros, place = one.form.nonzeros, 0
        for row, length in enumerate(nonzeros.lengths.tolist()):
            key = one.output.tensor, one.output.first_channel + row
            found[key] |= set()
            for number in range(place, place + length):
                tap = one.form.taps[nonzeros.taps[number]]
                source = one.inputs[tap.input]
                channel = source.first_channel + tap.channel + int(nonzeros.channels[number])
                if nonzeros.values[number]:
                    found[key].add((source.tensor, channel, tap.down, tap.right, int(nonzeros.values[number])))
            place += length
    return found


@pytest.mark.parametrize("channels", [1, 2, 3, 5, 8])
def test_all_parts_together_are_the_whole(channels: int) -> None:
    steps = map_steps()
    made = ChannelCuts().cut(steps, channels)
    assert made is not None
    cut, parts = made
    assert products(cut) == products(steps)
    assert {whole.tensor for whole in parts} == {
        "stem",
        "side",
        "largest",
        "depthwise",
        "half",
        "other",
        "sum",
        "residual",
    }
    for whole, each in parts.items():
        assert all(part.shape[0] <= channels for part in each)
        ends = [(part.first_channel, part.first_channel + part.shape[0]) for part in each]
        assert [first for first, _ in ends] == [0, *(last for _, last in ends[:-1])] and ends[-1][1] == whole.shape[0]
    # A part follows at once what it reads.
    before: set[Buffer] = set(steps[0].inputs)
    for one in cut:
        assert set(one.inputs) <= before
        before.add(one.output)


def test_equal_parts_are_the_same_objects() -> None:
    steps, cuts = map_steps(), ChannelCuts()
    first, second = cuts.cut(steps[:4], 2), cuts.cut(steps[1:4], 2)
    assert first is not None and second is not None
    assert set(second[0]) & set(first[0])


def test_nothing_is_cut_where_no_step_reads_its_own_channel() -> None:
    steps = map_steps()
    firsts = [{source.tensor: row for source, row in own_channels(one.form, one.inputs).items()} for one in steps]
    assert firsts == [{}, {}, {"stem": 0, "side": 4}, {"largest": 0}, {}, {}, {}, {"half": 0, "other": 0}, {"sum": 0}]
    assert ChannelCuts().cut(steps[:2], 1) is None
    assert ChannelCuts().cut(steps, 64) is None


def test_even_parts() -> None:
    assert even_parts(7, 3) == ((0, 1), (2, 3), (4, 5, 6))
