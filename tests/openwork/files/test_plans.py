"""Images with a right checksum and a wrong plan: a sentence that names the file, or what the plan says; never a traceback."""

import json
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save
from tests.openwork.compiler.test_network import classifier, network

from openwork.compiler.network import compile_network
from openwork.files import FileError, decode_image, decode_network, encode_image, encode_network
from openwork.files.images import checksum as image_checksum
from openwork.files.networks import checksum as network_checksum
from openwork.image import Image
from openwork.network import MaxPool, Reshape, Upsample
from openwork.report.page import report_page
from openwork_hw.arch.config import PRESETS, ArrayConfig
from openwork_hw.arch.refusal import Refusal

Change = Callable[[dict[str, Any]], object]


@cache
def content(watch: bool = True) -> bytes:
    return encode_image(compile_network(classifier(), PRESETS["demo"], watch=watch))


def header(file: bytes) -> dict[str, Any]:
    outer = json.loads(file[8 : 8 + int.from_bytes(file[:8], "little")])
    result: dict[str, Any] = json.loads(outer["__metadata__"]["openwork"])
    return result


def with_plan(plan: Any, **arrays: Any) -> bytes:
    """The image with another plan and other arrays, its checksum right."""
    text = plan if isinstance(plan, str) else json.dumps(plan)
    tensors = {name: array for name, array in (load(content()) | arrays).items() if array is not None}
    entries = header(content()) | {"plan": text, "crc32": image_checksum(text, tensors)}
    return save(tensors, {"openwork": json.dumps(entries)})


def plan_of(file: bytes) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(header(file)["plan"])
    return result


CHANGES: list[tuple[Change, str]] = [
    (lambda plan: plan.update(more=1), "object contains unknown field more"),
    (lambda plan: plan.pop("orders"), "missing required field orders"),
    (lambda plan: plan.update(encoding="coo"), "in encoding, invalid enum value 'coo'"),
    (lambda plan: plan["config"].update(pes=4.0), "in config.pes, expected int, got float"),
    (
        lambda plan: plan["config"].update(pes=0),
        "an array that cannot be: pes must be a whole number from 1 to 255, not 0",
    ),
    (lambda plan: plan["config"].update(feature_words=1000), "feature_words must be a power of two"),
    (lambda plan: plan["config"].pop("lanes"), "missing required field lanes"),
    (lambda plan: plan["config"].update(technology="asic"), "invalid enum value 'asic'"),
    (
        lambda plan: plan["places"][0].update(lanes=5),
        r"place of 'input' has 5 lanes and 4 row groups, and the array 4 and",
    ),
    (lambda plan: plan["places"][0].update(row_groups=3), "has 4 lanes and 3 row groups"),
    (lambda plan: plan["places"][0].update(row_groups=2), "which do not cover 13 x 11"),
    (lambda plan: plan["places"][0].update(base=2047), r"ends at word \d+, and a PE has 2048"),
    (lambda plan: plan["places"][0].update(base=-1), r"in places\[0\].base, expected int >= 0"),
    (lambda plan: plan["places"][0].update(block=[4, 5]), "LOAD commands take"),
    (lambda plan: plan["places"][0].update(block=[1 << 24, 1 << 24]), "ends at word"),
    (
        lambda plan: plan["places"][0].update(shape=[3, 13, 12]),
        r"has the shape \[3, 13, 12\], and the tensor \[3, 13, 11\]",
    ),
    (lambda plan: plan["places"][0].update(fill=5), "is filled with 5, and those who read it pad with 0"),
    (lambda plan: plan["places"][0].update(vector=True), "is that of a vector"),
    (lambda plan: plan["places"][0].update(tensor="other"), "its places are of the tensors"),
    (lambda plan: plan["places"][1].update(step="a"), "its places are of the tensors"),
    (lambda plan: plan["places"].extend(2 * [plan["places"][0] | {"step": "a"}]), "two of its places have one name"),
    (lambda plan: plan["places"][1].update(row_groups=2, block=[7, 3]), "its words divide the PEs in 4 row groups"),
    (
        lambda plan: plan["places"].append(plan["places"][0] | {"step": "z", "tensor": "z"}),
        "which the network does not have",
    ),
    (lambda plan: plan["places"].pop(), "its places are of the tensors"),
    (lambda plan: plan["commands"].pop(), r"its plan has \d+ commands, and its words \d+"),
    (lambda plan: plan["commands"][0].__setitem__(1, "RUN"), "command 0 of its plan is RUN"),
    (lambda plan: plan["commands"][0].__setitem__(1, "WALK"), "invalid enum value 'WALK'"),
    (lambda plan: plan["commands"][0].__setitem__(0, "a"), "is for 'a', which is not what a LOAD is for"),
    (lambda plan: plan["commands"][4].__setitem__(0, "input"), "is for 'input', which is not what a RUN is for"),
    (lambda plan: plan["commands"][4].__setitem__(0, "f"), "which lies elsewhere"),
    (lambda plan: plan["commands"][4].__setitem__(2, 0), "command 4 of its plan takes no cycle"),
    (lambda plan: plan["commands"][4].__setitem__(2, 1 << 60), r"in commands\[4\]\[2\], expected int <="),
    (lambda plan: plan["commands"][4].__setitem__(3, 1), "is RUN with 1 tap table entries"),
    (lambda plan: plan["stored"][0].__setitem__(1, 1 << 30), "its plan stores 1073741824 feature words"),
    (lambda plan: plan["stored"].pop(), "does not store"),
    (lambda plan: plan["stored"].reverse(), "its STORE commands store something else"),
    (lambda plan: plan["stored"].append(["nowhere", 1]), "which no step makes"),
    (lambda plan: plan["orders"].update(f=[0] * 7), "its order of 'f' is not one of 7 channels"),
    (lambda plan: plan["orders"].update(a=list(range(8))), "its order of 'a' is not one of"),
]


@pytest.mark.parametrize(("change", "reason"), CHANGES)
def test_a_plan_that_contradicts_is_refused_with_the_files_name(change: Change, reason: str) -> None:
    plan = plan_of(content())
    change(plan)
    with pytest.raises(FileError, match=rf"^x\.image .*{reason}"):
        decode_image(with_plan(plan), "x.image")


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"words": np.zeros(30, np.int32)}, "'words' must be an array of uint32"),
        ({"words": np.zeros((30, 1), np.uint32)}, "'words' must be an array of uint32, in one row"),
        ({"words": None}, "'words' must be"),
        ({"network": np.zeros(30, np.int8)}, "'network' must be an array of uint8"),
        ({"network": np.zeros(30, np.uint8)}, "the network in x.image is not a whole .int8 file"),
        ({"more": np.zeros(3, np.uint8)}, r"no one reads \['more'\]"),
    ],
)
def test_arrays_that_do_not_belong_to_an_image_are_refused(arrays: dict[str, Any], reason: str) -> None:
    with pytest.raises(FileError, match=reason):
        decode_image(with_plan(plan_of(content()), **arrays), "x.image")


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, "NaN", "7", '{"config": 1}'])
def test_a_plan_of_another_kind_is_refused(text: str) -> None:
    with pytest.raises(FileError, match=r"x\.image holds"):
        decode_image(with_plan(text), "x.image")


VALUES: list[Any] = [0, 1, -1, 2, 3, 7, 128, 65536, 1 << 31, 1 << 40, 1 << 63, 1 << 70, 0.5, 1e300, True, None]
VALUES += ["", "a", "input", [], {}, [1]]


def leaves(value: Any) -> list[tuple[Any, Any]]:
    """Every container and key under which something lies."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [pair for key in list(keys) for pair in [(value, key), *leaves(value[key])]]


def mutate(value: Any, rng: np.random.Generator) -> None:
    """One thing in JSON values becomes another, goes, or is there twice."""
    places = leaves(value)
    holder, key = places[rng.integers(len(places))]
    match rng.integers(6):
        case 0:
            del holder[key]
        case 1:
            other, place = places[rng.integers(len(places))]
            holder[key] = deepcopy(other[place])
        case 2 if isinstance(holder, list):
            holder.insert(key, deepcopy(holder[key]))
        case _:
            holder[key] = deepcopy(VALUES[rng.integers(len(VALUES))])


def use(image: Image) -> None:
    """All that a command does with an image, but for simulating it."""
    inputs = np.zeros(image.network.input.shape, np.int8)
    image.load_bytes(inputs)
    stored = np.zeros(sum(words for _, words in image.stored) * image.config.lanes, np.int8)
    image.outputs(stored)
    assert image.predicted_cycles >= image.compute_cycles > 0 and image.utilization > 0
    assert image.row_groups in image.config.row_groups


def test_a_thousand_mutated_plans_never_end_in_a_traceback() -> None:
    rng = np.random.default_rng(5)
    refused = 0
    for number in range(1000):
        plan = plan_of(content())
        for _ in range(1 + number % 2):
            mutate(plan, rng)
        try:
            image = decode_image(with_plan(plan), "x.image")
        except Refusal as refusal:
            assert str(refusal)
            refused += 1
            continue
        use(image)
    assert refused > 800


def test_pages_of_mutated_plans_never_end_in_a_traceback() -> None:
    """The page reads the most of a plan: of those that are taken, the first few."""
    rng = np.random.default_rng(6)
    pages = 0
    while pages < 3:
        plan = plan_of(content())
        mutate(plan, rng)
        try:
            image = decode_image(with_plan(plan), "x.image")
        except Refusal:
            continue
        if json.dumps(plan) != header(content())["plan"]:
            report_page(image, "x", None, {})
            pages += 1


def every_kind_of_step() -> bytes:
    return encode_network(
        network(
            (2, 4, 4),
            MaxPool(("input",), "p", (2, 2), (2, 2)),
            Upsample(("p",), "u", (2, 2)),
            Reshape(("u",), "r", (32, 1, 1)),
        )
    )


def test_a_thousand_mutated_networks_never_end_in_a_traceback() -> None:
    rng = np.random.default_rng(7)
    files = [encode_network(classifier()), every_kind_of_step()]
    refused = 0
    for number in range(1000):
        file = files[number % 2]
        entries, arrays = header(file), load(file)
        mutate(entries["graph"], rng)
        entries["crc32"] = network_checksum(entries["graph"], arrays)
        try:
            found = decode_network(save(arrays, {"openwork": json.dumps(entries)}), "x.int8")
        except FileError as refusal:
            assert str(refusal).startswith("x.int8 ")
            refused += 1
            continue
        assert decode_network(encode_network(found)).tensors == found.tensors
        assert str(found)
    assert refused > 700


def test_images_of_other_arrays_and_kinds_agree_with_themselves() -> None:
    for config in (PRESETS["ecp5-85k"], ArrayConfig(6, 3, feature_words=4096, replicas=3, sum_bits=32)):
        for found in (classifier(), decode_network(every_kind_of_step())):
            image = compile_network(found, config)
            assert encode_image(decode_image(encode_image(image))) == encode_image(image)
