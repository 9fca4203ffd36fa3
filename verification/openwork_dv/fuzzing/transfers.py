"""Mutated external images, and a player that runs their two queues in an order that is drawn at random."""

from collections.abc import Sequence
from dataclasses import replace
from zlib import crc32

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.disassembly import InstructionReader
from openwork_hw.arch.external_image import HEADER_WORDS
from openwork_hw.arch.image import Instruction
from openwork_hw.arch.timing import MAP_ORDERS
from openwork_hw.arch.transfers import MOST_PIECES, PIECES_AHEAD, Transfer, TransferKind

HEADER_FIELDS = range(4, 8)
"""Words of the header that say something which no program knows beforehand: scratchpad, commands, bytes in and out."""

LARGEST_AFTER = (1 << 30) - 1
LARGEST_ADDRESS = (1 << 16) - 1


def sealed_transfers(header: NDArray[np.uint32], transfers: Sequence[Transfer]) -> NDArray[np.uint32]:
    """The external image of these transfers, with the right length and right check sums.

    Args:
        header: uint32 [HEADER_WORDS], what it says besides.
    """
    body = np.concatenate([transfer.encode() for transfer in transfers]) if transfers else np.zeros(0, np.uint32)
    head = header[: HEADER_WORDS - 1].copy()
    head[3] = HEADER_WORDS + len(body)
    return np.concatenate([head, np.array([crc32(head.astype("<u4").tobytes())], np.uint32), body])


def hostile_transfers(rng: Generator, header: NDArray[np.uint32], transfers: Sequence[Transfer]) -> NDArray[np.uint32]:
    """An external image with one to three changes in its transfers or in its header, under check sums that are right.

    A transfer goes, comes twice, or changes places with the next one; its kind, its `after`, its address, its length or one of its
    words changes; or a word of the header changes.
    """
    changed, head = list(transfers), header.copy()
    for _ in range(int(rng.integers(1, 4))):
        if not changed:
            break
        place = int(rng.integers(len(changed)))
        one = changed[place]
        match rng.integers(10):
            case 0:
                del changed[place]
            case 1:
                changed.insert(place, one)
            case 2:
                changed[place : place + 2] = reversed(changed[place : place + 2])
            case 3:
                changed[place] = replace(one, kind=TransferKind(int(rng.integers(1, 5))))
            case 4 | 5:
                after = int(rng.choice([0, one.after + 1, max(one.after - 1, 0), LARGEST_AFTER]))
                changed[place] = replace(one, after=after)
            case 6:
                difference = int(rng.choice([-1, 1, -16, 16, int(rng.integers(LARGEST_ADDRESS))]))
                changed[place] = replace(one, address=(one.address + difference) % (LARGEST_ADDRESS + 1))
            case 7:
                kept = int(rng.integers(len(one.words) + 1))
                more = rng.integers(0, 1 << 32, int(rng.integers(3)), dtype=np.uint32)
                changed[place] = replace(one, words=np.concatenate([one.words[:kept], more]))
            case 8 if len(one.words):
                words = one.words.copy()
                words[int(rng.integers(len(words)))] ^= np.uint32(1 << int(rng.integers(32)))
                changed[place] = replace(one, words=words)
            case _:
                field = HEADER_FIELDS[int(rng.integers(len(HEADER_FIELDS)))]
                head[field] = np.uint32((int(head[field]) + int(rng.choice([-1, 1, 4]))) % (1 << 32))
    return sealed_transfers(head, changed)


def play(
    rng: Generator,
    transfers: Sequence[Transfer],
    instructions: Sequence[Instruction],
    config: ArrayConfig,
    scratchpad_words: int,
) -> None:
    """Let transfers arrive, commands end and maps move in an order drawn at random among all orders that their queues allow.

    Each command must find its own words in the scratchpad, from the moment its PROGRAM transfer arrives until it is reported.

    Raises:
        AssertionError: a command finds other words, or nothing can go on.
    """
    scratchpad = np.zeros(scratchpad_words, np.uint32)
    wanted = [_contents(one) for one in instructions]
    places: list[
        tuple[slice, int]
    ] = []  # of each command that has arrived: its transfer's words, and where it begins in them
    share = rng.random()  # how eager the transfers are
    arrived = reported = 0
    pieces = 0  # that have arrived and have not been moved
    orders: list[int] = []  # pieces of each LOAD and STORE that has been handed over and is not over

    def read(number: int) -> tuple[object, int]:
        place, at = places[number]
        reader = InstructionReader(
            scratchpad[place].copy(),
            config,
            lambda first, count, _: scratchpad[first:][:count].copy(),
            at,
            lambda _: getattr(instructions[number].command, "pieces", ()),
        )
        return _contents(reader.instruction(number)), reader.at

    while arrived < len(transfers) or reported < len(instructions) or orders:
        may_fetch = arrived < len(transfers) and transfers[arrived].after <= reported
        if may_fetch and transfers[arrived].kind is TransferKind.MAPS:
            may_fetch = pieces <= PIECES_AHEAD - MOST_PIECES
        may_report = reported < len(places) and len(orders) < MAP_ORDERS
        if may_report and instructions[reported].waits_for_maps:
            may_report = not orders
        may_move = bool(orders) and pieces > 0
        assert may_fetch or may_report or may_move, f"nothing goes on after {arrived} transfers and {reported} commands"
        if may_move and not ((may_fetch or may_report) and rng.random() < share):
            pieces, orders[0] = pieces - 1, orders[0] - 1
            if not orders[0]:
                del orders[0]
            continue
        if may_report and not (may_fetch and rng.random() < share):
            assert read(reported)[0] == wanted[reported], f"command {reported} finds other words when it ends"
            moved = getattr(instructions[reported].command, "pieces", ())
            orders += [len(moved)] if moved else []
            reported += 1
            continue
        transfer = transfers[arrived]
        arrived += 1
        if transfer.kind is TransferKind.MAPS:
            pieces += len(transfer.words) // 2
        if transfer.kind in (TransferKind.END, TransferKind.MAPS):
            continue
        place = slice(transfer.address, transfer.address + len(transfer.words))
        scratchpad[place] = transfer.words
        at = 0
        while transfer.kind is TransferKind.PROGRAM and at < len(transfer.words) and len(places) < len(instructions):
            places.append((place, at))
            content, at = read(len(places) - 1)
            assert content == wanted[len(places) - 1], f"command {len(places) - 1} finds other words when it arrives"


def same_instructions(one: Sequence[Instruction], other: Sequence[Instruction]) -> bool:
    """Whether two programs do the same with the same words."""
    return list(map(_contents, one)) == list(map(_contents, other))


def _contents(instruction: Instruction) -> object:
    """What an instruction is, as something that can be compared."""
    feeders = [(one.words.tobytes(), one.records) for one in instruction.feeders]
    return instruction.command, instruction.taps, feeders, instruction.waits
