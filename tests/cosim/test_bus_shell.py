"""The bus shell between AXI managers, sources and sinks that pause at random: whole networks through registers and streams."""

from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from amaranth.back import rtlil
from amaranth.lib import wiring
from numpy.typing import NDArray
from tests.openwork.compiler.test_network import flat
from tests.slow import slow_but

from openwork.compiler.network import compile_network
from openwork.golden import trace_network
from openwork.image import Image
from openwork.models import digits
from openwork_dv.bus_steps import Access, Accesses, Answered, Ask, BusJob, BusResult, Cut, Load, Offer, Step
from openwork_dv.runner import bus_shell
from openwork_fpga.yosys import ToolError, run_script
from openwork_hw.arch import registers
from openwork_hw.arch.config import PRESETS, ArrayConfig
from openwork_hw.arch.image import HEADER_WORDS, ImageStatus
from openwork_hw.arch.nonzeros import Encoding, StreamErrorKind
from openwork_hw.shells.axi_top import AxiTop
from openwork_hw.shells.bus_shell import BusShell
from openwork_hw.shells.image_memory import ImageMemory
from openwork_hw.shells.report_queue import DEPTH
from openwork_hw.stream.skid_buffer import SkidBuffer

CONFIGS = {
    "smallest": (ArrayConfig(1, 1, feature_words=256, row_buffer_nonzeros=16, tap_entries=16), Encoding.CSR),
    "odd": (
        ArrayConfig(2, 3, feature_words=2048, row_buffer_nonzeros=32, tap_entries=64, sum_bits=22),
        Encoding.PACKED,
    ),
    "copies": (ArrayConfig(6, 3, feature_words=4096, replicas=3, sum_bits=32, tap_entries=128), Encoding.TRIPLET),
}
ODD, ODD_ENCODING = CONFIGS["odd"]
IMAGE_WORDS = 512
"""Of the image memories here: more than these images have."""

OKAY, SLVERR = 0, 2


def inputs_of(image: Image, count: int, seed: int) -> NDArray[np.int8]:
    shape = (count, *image.network.input.shape)
    return np.random.default_rng(seed).integers(-128, 128, shape).astype(np.int8)


def offers(image: Image, inputs: NDArray[np.int8]) -> list[Step]:
    return [Offer(image.load_bytes(one).tobytes()) for one in inputs]


def run_jobs(config: ArrayConfig, encoding: Encoding, words: int, jobs: Sequence[BusJob]) -> list[BusResult]:
    results: list[BusResult] = bus_shell(config, (encoding,), words).run("bus_shell", list(jobs))
    for result in results:
        assert result.problems == ()
    return results


def is_right(image: Image, inputs: NDArray[np.int8], answers: Sequence[Answered], *, paused: bool) -> None:
    """Each answer is a run of its input: one packet, every value right; unless the bus paused, every cycle as predicted.

    Where several feeders share the memory's one port, commands may wait for words, and say so.
    """
    expected = trace_network(image.network, inputs)
    assert len(answers) == len(inputs)
    for number, answer in enumerate(answers):
        result = answer.result
        assert result.status is ImageStatus.GOOD
        (packet,) = answer.packets
        for name, tensor in image.tensors(np.frombuffer(packet, np.int8)).items():
            assert (tensor == expected[name][number]).all(), name
        assert answer.commands == tuple(range(len(image.commands)))
        assert result.fault is None
        cycles, stalls = zip(*((report.cycles, report.stalls) for report in result.reports), strict=True)
        if paused:
            continue
        predicted = tuple(command.predicted_cycles for command in image.commands)
        assert all(found == hoped or waited for found, hoped, waited in zip(cycles, predicted, stalls, strict=True))
        if cycles == predicted:
            # The prediction is for a memory that answers in the next cycle, and a run begins with waiting for a word.
            assert result.cycles == image.predicted_cycles + ImageMemory.latency_cycles - 1
        if len(image.config.feeders) == 1:
            assert cycles == predicted and not any(stalls)


RUNS = ((0.0, 3), (0.3, 2), (0.9, 1))
"""How likely a channel pauses, and for how many runs."""
FEW_RUNS = ((0.0, 2), (0.3, 1))


@pytest.mark.parametrize(
    ("name", "pauses"), slow_but([("smallest", FEW_RUNS), *((name, RUNS) for name in CONFIGS)], ("smallest", FEW_RUNS))
)
def test_every_output_and_every_cycle_is_right(name: str, pauses: Sequence[tuple[float, int]], seed: int) -> None:
    """Images back to back, without pauses and with few and many on every channel; more features are offered than one run takes."""
    config, encoding = CONFIGS[name]
    image = compile_network(flat(), config, encoding)
    jobs: list[BusJob] = []
    inputs: list[NDArray[np.int8]] = []
    for stall, runs in pauses:
        inputs.append(inputs_of(image, runs, seed))
        steps = [Load(image.words.tolist()), Ask("check"), *offers(image, inputs[-1]), *[Ask("run")] * runs]
        jobs.append(BusJob(steps, stall, seed))
    for job, given, result in zip(jobs, inputs, run_jobs(config, encoding, IMAGE_WORDS, jobs), strict=True):
        check, *answers = result.answers
        assert (check.result.status, check.commands, check.packets) == (ImageStatus.GOOD, (), ())
        is_right(image, given, answers, paused=job.stall > 0)


@pytest.mark.slow
def test_the_digits_network_is_right(seed: int) -> None:
    prepared = digits.prepare(epochs=1)
    config, encoding = PRESETS["demo"], Encoding.PACKED
    image = compile_network(prepared.model, config, encoding)
    words = len(image.words)  # they fit to a word
    tries = [(0.0, prepared.test_inputs[:2]), (0.2, prepared.test_inputs[2:3])]
    jobs = []
    for stall, inputs in tries:
        runs = [*offers(image, inputs), *[Ask("run")] * len(inputs)]
        jobs.append(BusJob([Load(image.words.tolist()), Ask("check"), *runs], stall, seed))
    for (stall, inputs), result in zip(tries, run_jobs(config, encoding, words, jobs), strict=True):
        is_right(image, inputs, result.answers[1:], paused=stall > 0)


@pytest.mark.slow
@pytest.mark.parametrize("whole", [False, True], ids=["register", "aresetn"])
def test_after_a_reset_in_the_middle_the_next_run_is_right(whole: bool, seed: int) -> None:
    """Anywhere in a run: while features come, while the array works, while outputs go. The image need not be sent again."""
    image = compile_network(flat(), ODD, ODD_ENCODING)
    inputs = inputs_of(image, 2, seed)
    end = image.predicted_cycles  # the outputs are the last 70 cycles of it
    cuts = [
        0,
        5,
        *np.random.default_rng(seed).integers(10, end, 4).tolist(),
        end - 55,
        end - 40,
        end - 25,
        end - 10,
        end,
    ]
    jobs = []
    for number, cycles in enumerate(cuts):
        first: list[Step] = [Load(image.words.tolist()), Ask("check"), *offers(image, inputs[:1]), Cut(cycles, whole)]
        again = [Ask("run"), Ask("check"), *offers(image, inputs), Ask("run"), Ask("run")]
        jobs.append(BusJob([*first, *again], 0.3 * (number % 2), seed))
    for job, result in zip(jobs, run_jobs(ODD, ODD_ENCODING, IMAGE_WORDS, jobs), strict=True):
        _, unchecked, check, *runs = result.answers
        statuses = unchecked.result.status, check.result.status
        assert (*statuses, unchecked.packets) == (ImageStatus.NOT_CHECKED, ImageStatus.GOOD, ())
        is_right(image, inputs, runs, paused=job.stall > 0)


@pytest.mark.slow
def test_bad_images_do_not_run(seed: int) -> None:
    """Each is refused by its name, a RUN then gives nothing, and the next good image runs."""
    image = compile_network(flat(), ODD, ODD_ENCODING)
    inputs = inputs_of(image, 1, seed)
    words = image.words.tolist()
    flipped, other = words.copy(), words.copy()
    flipped[len(words) // 2] ^= 1 << 7
    other[2] ^= 1
    longer_than_the_memory = [*words[:3], IMAGE_WORDS + 100, *words[4:]]
    too_long = [*words, *range(IMAGE_WORDS)]
    good = [Ask("check"), *offers(image, inputs), Ask("run")]
    bad = (
        ("damaged", flipped),
        ("damaged", longer_than_the_memory),
        ("configuration", other),
        ("length", [*words[:3], 5, *words[4:]]),
        ("magic", words[1:]),
    )
    steps: list[Step] = [Ask("run")]
    for _, damaged in bad:
        steps += [Load(damaged), Ask("check"), Ask("run")]
    # A longer packet than the memory holds does no harm; a new packet starts from the front.
    steps += [Load(too_long), *good, Load(words), Ask("run"), *good]
    (result,) = run_jobs(ODD, ODD_ENCODING, IMAGE_WORDS, [BusJob(steps, 0.2, seed)])
    statuses = [answer.result.status.name.lower() for answer in result.answers]
    refused = [status for name, _ in bad for status in (name, "not_checked")]
    assert statuses == ["not_checked", *refused, "good", "good", "not_checked", "good", "good"]
    assert [len(answer.packets) for answer in result.answers] == [0] * (len(refused) + 2) + [1, 0, 0, 1]
    is_right(image, inputs, result.answers[-1:], paused=True)


@pytest.mark.slow
def test_a_malformed_stream_is_reported(seed: int) -> None:
    """The fault's kind stands in its command's report and in all after it; the answer says so, and the run after is right."""
    image = compile_network(flat(), ODD, ODD_ENCODING)
    inputs = inputs_of(image, 1, seed)
    broken = image.words.copy()
    broken[HEADER_WORDS] |= 1 << 27  # a reserved bit of the first weight stream's header
    broken[-1] = crc32(broken[:-1].tobytes())
    run = [Ask("check"), *offers(image, inputs), Ask("run")]
    steps = [Load(broken.tolist()), *run, Load(image.words.tolist()), *run]
    (result,) = run_jobs(ODD, ODD_ENCODING, IMAGE_WORDS, [BusJob(steps)])
    _, faulty, _, good = result.answers
    assert faulty.result.status is ImageStatus.FAULT
    kinds = [report.kind for report in faulty.result.reports]
    first = next(index for index, command in enumerate(image.commands) if command.kind == "RUN")
    assert kinds == [StreamErrorKind.NONE] * first + [StreamErrorKind.HEADER] * (len(image.commands) - first)
    is_right(image, inputs, [good], paused=False)


def word(register: registers.Register, value: int) -> Access:
    return Access(register.address, value.to_bytes(4, "little"))


@pytest.mark.parametrize("name", slow_but(["smallest", "odd"], "smallest"))
def test_registers_do_what_the_map_says(name: str, seed: int) -> None:
    """Every address, read and written back to back; strobes; bits without a name."""
    config, encoding = CONFIGS[name]
    known = {register.address: register for register in registers.REGISTERS}
    page = range(0, 1 << registers.ADDRESS_BITS, 4)
    addresses = [address for address in page if address < 0x80 or address & (address - 1) == 0 or address == page[-1]]
    harmless = [Access(address, bytes(4)) for address in addresses]
    enable, reset = registers.INTERRUPT_ENABLE, registers.RESET
    without_strobe = [Access(enable.address + 1, bytes(3)), Access(registers.CONTROL.address + 1, bytes(3))]
    steps = [
        Accesses([Access(address) for address in addresses]),
        Accesses(harmless),
        Accesses([word(enable, 0xFFFF_FFFF), word(reset, 0xFFFF_FFFE)]),
        Accesses([Access(enable.address), Access(reset.address)]),
        Accesses([Access(enable.address, b"\x05")]),
        Accesses(without_strobe * 8),
        Accesses([Access(enable.address), Access(registers.ANSWER.address)]),
    ]
    results = run_jobs(config, encoding, IMAGE_WORDS, [BusJob(steps, stall, seed) for stall in (0.0, 0.3, 0.9)])
    for result in results:
        reads, writes, _, whole, _, _, strobed = result.words
        assert [response for _, response in reads] == [
            OKAY if address in known and known[address].readable else SLVERR for address in addresses
        ]
        assert [response for _, response in writes] == [
            OKAY if address in known and known[address].writable else SLVERR for address in addresses
        ]
        values = dict(zip(addresses, (value for value, _ in reads), strict=True))
        expected = {
            registers.IDENTITY: registers.IDENTITY.pack(map_version=1, image_version=1, mark=registers.IDENTITY_MARK),
            registers.FINGERPRINT: config.fingerprint,
            registers.ARRAY: registers.ARRAY.pack(
                pes=config.pes, lanes=config.lanes, feature_words=config.feature_words
            ),
            registers.ENCODINGS: registers.ENCODINGS.pack(**{encoding.name.lower(): 1}),
            registers.IMAGE_MEMORY: IMAGE_WORDS,
        }
        readable = [register for register in registers.REGISTERS if register.readable]
        assert {register: values[register.address] for register in readable} == {
            register: expected.get(register, 0) for register in readable
        }
        assert whole == ((enable.mask, OKAY), (0, OKAY))
        assert strobed == ((5, OKAY), (0, OKAY))


@pytest.mark.slow
def test_reports_that_nobody_reads_are_lost_and_hold_nothing_up(seed: int) -> None:
    image = compile_network(flat(), ODD, ODD_ENCODING)
    runs = DEPTH // len(image.commands) + 1
    inputs = inputs_of(image, runs, seed)
    run = [word(registers.CONTROL, registers.CONTROL.pack(run=1))]
    status, loaded = Access(registers.STATUS.address), Access(registers.LOADED.address)
    steps: list[Step] = [Load(image.words.tolist()), Ask("check"), *offers(image, inputs)]
    for _ in range(runs - 1):
        # Many reads of the status: a run later, they are through.
        steps += [Accesses(run), *[Accesses([status] * 100)] * (image.predicted_cycles // 100 + 2)]
    steps += [Accesses([loaded]), Ask("run"), Accesses([status])]
    (result,) = run_jobs(ODD, ODD_ENCODING, IMAGE_WORDS, [BusJob(steps)])
    assert result.words[-2] == ((len(image.words), OKAY),)
    *_, last = result.answers
    assert len(last.result.reports) == DEPTH
    assert len(last.packets) == runs
    assert result.words[-1] == ((registers.STATUS.pack(reports_lost=1), OKAY),)


def has_paths(component: wiring.Component, folder: Path) -> bool:
    """A combinational path leads from an input of the component to an output, through whatever logic."""
    (folder / "top.il").write_text(rtlil.convert(component, name="top", emit_src=False))
    script = """read_rtlil top.il
        proc
        flatten
        delete t:$dff t:$memwr_v2 t:$memrd_v2 r:CLK_ENABLE=1 %i %u
        select -assert-none o:* %ci* i:* %i
    """
    try:
        run_script(script, folder)
    except ToolError as error:
        assert "Assertion failed: selection is not empty" in str(error)
        return True
    return False


def test_no_path_leads_from_an_input_to_an_output(tmp_path: Path) -> None:
    """Whoever connects the block need not fear a loop. A skid buffer has such paths, and they are found."""
    config, encoding = CONFIGS["smallest"]
    shell = AxiTop(BusShell(config, encodings=(encoding,), image_words=IMAGE_WORDS))
    assert not has_paths(shell, tmp_path)
    assert has_paths(SkidBuffer(8), tmp_path)
