"""`.pt2` files: nothing in them is run, they cannot explode, and damaged ones are refused in a sentence."""

import json
import pickle
import time
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.openwork.frontend.archives import (
    Trap,
    archive_of,
    members_of,
    pickled,
    with_json,
    with_member,
    with_other_end,
    with_two_directories,
)
from tests.openwork.frontend.zoo import inputs, trained
from torch import nn

import openwork
from openwork.frontend import ImportingError, LoadingError, import_program, load
from openwork.frontend.pt2 import read_program

GRAPH = "models/model.json"
WEIGHTS = "data/weights/model_weights_config.json"
SAMPLES = "data/sample_inputs/model.pt"

Document = dict[str, Any]


def saved(program: torch.export.ExportedProgram) -> bytes:
    file = BytesIO()
    torch.export.save(program, file)
    return file.getvalue()


@pytest.fixture(scope="module")
def content() -> bytes:
    """A `.pt2` file of a model with an open batch size."""
    batch = inputs("residual", 3)
    shapes = ({0: torch.export.Dim("batch")},)
    return saved(torch.export.export(trained("residual").eval(), (batch,), dynamic_shapes=shapes))


def refusal(content: bytes, folder: Path) -> str:
    """The sentence that reading a file ends in."""
    path = folder / "model.pt2"
    path.write_bytes(content)
    with pytest.raises(LoadingError) as caught:
        read_program(path)
    message = str(caught.value)
    assert message.startswith(f"{path} ") and "\n" not in message
    return message


def test_a_file_is_the_program_that_was_saved(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(content)
    batch = inputs("residual", 5)
    network = import_program(read_program(path))
    assert torch.allclose(network.run(batch).flatten(1).log_softmax(1), trained("residual").eval()(batch))
    assert str(load(str(path), batch)) == str(network)


class Sized(nn.Module):
    """Sizes of every kind in the graph: sums, products, quotients, remainders, maxima."""

    mean: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(2, 4, 3, stride=2, padding=1)
        self.last = nn.Linear(4, 3)
        self.register_buffer("mean", torch.tensor([0.5, 0.25]).reshape(2, 1, 1))

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        maps = nn.functional.max_pool2d(self.convolution(batch - self.mean).relu_(), 3, 2, 1)
        maps = nn.functional.pad(maps, (0, batch.shape[3] % 2, 0, max(batch.shape[2] % 3, 1)))
        result: torch.Tensor = self.last(nn.functional.interpolate(maps, scale_factor=2).mean(dim=(2, 3)))
        return result


SHAPES = {
    "static": None,
    "batch": ({0: torch.export.Dim("batch")},),
    "height": ({2: torch.export.Dim("height", min=16, max=640)},),
    "derived": ({0: torch.export.Dim("batch"), 2: 8 * torch.export.Dim("rows", max=80)},),
    "all": (dict.fromkeys((0, 2, 3), torch.export.Dim.AUTO),),
}


@pytest.mark.parametrize("kind", SHAPES)
def test_what_torch_export_writes_is_loaded_whatever_is_open_in_it(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(2)
    model, batch = Sized().eval(), torch.rand(4, 2, 32, 32)
    program = torch.export.export(model, (batch,), dynamic_shapes=SHAPES[kind])
    path = tmp_path / "model.pt2"
    torch.export.save(program, path)
    if kind != "static":
        assert b"expr_str" in path.read_bytes()
    loaded = read_program(path)
    assert str(loaded.graph) == str(program.graph)
    assert {name: part.tolist() for name, part in loaded.state_dict.items()} == {
        name: part.tolist() for name, part in program.state_dict.items()
    }
    assert torch.equal(loaded.module()(batch), model(batch))
    sizes = [32, 64] if kind in ("height", "derived", "all") else [32]
    for height in sizes:
        images = torch.rand(4, 2, height, 32)
        network = load(path, images)
        assert torch.allclose(network.run(images).flatten(1), model(images), atol=1e-6)


def test_a_file_packed_again_by_another_tool_is_loaded(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in members_of(content):
            archive.writestr(name, part)
    assert str(read_program(path).graph_signature)


def test_nothing_is_unpickled(content: bytes, tmp_path: Path) -> None:
    path, trap = tmp_path / "model.pt2", tmp_path / "trapped"
    path.write_bytes(with_member(content, SAMPLES, pickled(trap)))
    assert read_program(path).example_inputs is None
    assert not trap.exists()

    def use_pickle(document: Document) -> None:
        next(iter(document["config"].values()))["use_pickle"] = True

    spoiled = with_member(content, "data/weights/weight_0", pickle.dumps(Trap(trap)))
    assert "holds pickled objects" in refusal(with_json(spoiled, WEIGHTS, use_pickle), tmp_path)
    folder = members_of(content)[0][0].partition("/")[0]
    for name in ("data/weights/model.pt", "data/constants/model.pt"):
        older = archive_of([*members_of(content), (f"{folder}/{name}", pickled(trap))])
        assert "holds pickled weights" in refusal(older, tmp_path)
    assert not trap.exists()
    torch.load(BytesIO(pickled(trap)), weights_only=False)
    assert trap.exists()  # the trap works where something is unpickled


def test_files_that_readers_disagree_about_are_refused_before_anything_runs(content: bytes, tmp_path: Path) -> None:
    trap = tmp_path / "trapped"
    parts = members_of(content)
    folder = parts[0][0].partition("/")[0]
    samples = (f"{folder}/{SAMPLES}", pickled(trap))
    without = [part for part in parts if not part[0].endswith(SAMPLES)]
    capital = (samples[0].replace("sample_inputs", "Sample_Inputs"), samples[1])
    hostile = archive_of([*without, samples])
    expected = {
        "twice": (archive_of([*parts, samples]), "stands there more than once"),
        "twice, the other way round": (archive_of([samples, *parts]), "stands there more than once"),
        "capital letters": (archive_of([*without, capital]), "which a model's file does not have"),
        "capital letters as well": (archive_of([*parts, capital]), "which a model's file does not have"),
        "two directories": (with_two_directories(content, hostile), "is ambiguous"),
        "two directories, the other way round": (with_two_directories(hostile, content), "is ambiguous"),
        "two ends": (with_other_end(content), "has two ends, and they differ"),
        "something in front": (archive_of(parts, prefix=b"#!/bin/sh\n"), "stands before its first member"),
        "something behind": (content + b"\0", "something follows it"),
        "a comment": (content[:-2] + b"\4\0text", "something follows it"),
        "a path upwards": (archive_of([*parts, (f"{folder}/../evil", b"")]), "does not have"),
        "a path from the root": (archive_of([*parts, ("/etc/evil", b"")]), "does not have"),
        "another folder": (archive_of([*parts, ("other/archive_format", b"pt2")]), "does not have"),
        "a program": (archive_of([*parts, (f"{folder}/data/aotinductor/model/model.so", b"")]), "does not have"),
        "a second model": (archive_of([*parts, (f"{folder}/models/other.json", b"{}")]), "does not have"),
        "encrypted": (archive_of(parts, flags=1), "is encrypted"),
        "compressed by bzip2": (archive_of(parts, method=12), "compressed in a way that is not usual"),
    }
    for what, (spoiled, reason) in expected.items():
        assert reason in refusal(spoiled, tmp_path), what
    assert not trap.exists()


def test_what_stands_before_a_member_must_be_what_the_directory_says(content: bytes, tmp_path: Path) -> None:
    parts = members_of(content)
    whole = archive_of(parts)
    name = next(full for full, _ in parts if full.endswith("weight_0"))
    place = whole.index(name.encode())  # the local header's
    renamed = whole[:place] + name.replace("weight_0", "weight_1").encode() + whole[place + len(name) :]
    assert "is ambiguous" in refusal(renamed, tmp_path)
    stop = place + len(name) + len(dict(parts)[name])
    gap = whole[:stop] + b"gap" + whole[stop:]
    assert "is ambiguous" in refusal(gap, tmp_path)


def test_bombs_are_refused_before_they_are_unpacked(content: bytes, tmp_path: Path) -> None:
    parts = members_of(content)
    folder = parts[0][0].partition("/")[0]
    zeros = (f"{folder}/data/weights/weight_99", bytes(200 << 20))
    started = time.monotonic()
    assert "would unpack to" in refusal(archive_of([*parts, zeros], method=8), tmp_path)
    many = [(f"{folder}/extra/{number}", b"") for number in range(20_001)]
    assert "20,000 are possible" in refusal(archive_of([*parts, *many]), tmp_path)
    # A member that says 4 bytes and unpacks to 200 MB.
    liar = bytearray(archive_of([*parts, zeros], method=8))
    for mark, place in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        start = liar.rindex(mark) + place
        liar[start : start + 4] = (4).to_bytes(4, "little")
    assert "unpacks to another size" in refusal(bytes(liar), tmp_path)
    assert time.monotonic() - started < 20


def sizes_of(document: Document) -> list[Document]:
    """All expressions in a graph."""
    found = []
    waiting: list[Any] = [document]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            found += [one] if "expr_str" in one else []
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return found


def with_size(content: bytes, expression: str) -> bytes:
    """The file with another expression in the place of its first."""

    def change(document: Document) -> None:
        sizes_of(document)[0]["expr_str"] = expression

    return with_json(content, GRAPH, change)


@pytest.mark.parametrize(
    "expression",
    [
        "2**2**2**2**2**9",
        "Pow(Integer(2), Pow(Integer(2), Integer(99)))",
        "factorial(99999)",
        "Mul(" + ", ".join(["Add(Symbol('s1'), Symbol('s2'), Symbol('s3'), Symbol('s4'))"] * 12) + ")",
        "(" * 3000 + "s1" + ")" * 3000,
        "-" * 3000 + "s1",
        "Integer(" + "9" * 5000 + ")",
        "[s1 for s1 in (1).__class__.__base__.__subclasses__()]",
        "Symbol('s1', **{})",
        "lambda: 0",
        "",
    ],
)
def test_sizes_that_explode_are_refused_at_once(expression: str, content: bytes, tmp_path: Path) -> None:
    started = time.monotonic()
    assert "holds a size that is more than arithmetic" in refusal(with_size(content, expression), tmp_path)
    assert time.monotonic() - started < 5


def test_no_expression_is_evaluated(content: bytes, tmp_path: Path) -> None:
    trap = tmp_path / "trapped"
    code = f"__import__('pathlib').Path({str(trap)!r}).touch()"
    assert "holds a size that is more than arithmetic" in refusal(with_size(content, code), tmp_path)
    assert not trap.exists()


def node_of(document: Document, target: str) -> Document:
    nodes: list[Document] = document["graph_module"]["graph"]["nodes"]
    return next(node for node in nodes if target in node["target"])


def test_names_and_operators_of_a_graph_are_not_made_into_programs(content: bytes, tmp_path: Path) -> None:
    trap = tmp_path / "trapped"
    code = f"__import__('pathlib').Path({str(trap)!r}).touch()"

    def inputs_name(document: Document) -> None:  # a default value of an argument, once it is Python source
        graph = document["graph_module"]["graph"]
        name = graph["inputs"][-1]["as_tensor"]["name"]
        text = json.dumps(document).replace(json.dumps(name), json.dumps(f"{name}={code}"))
        document.clear()
        document.update(json.loads(text))

    def operator(target: str) -> Callable[[Document], None]:
        def change(document: Document) -> None:
            node = node_of(document, "relu")
            node["target"] = target
            node["inputs"] = [{"name": "", "arg": {"as_string": f"touch {trap}"}, "kind": 1}]

        return change

    def argument(document: Document) -> None:
        node_of(document, "relu")["inputs"][0]["arg"] = {"as_operator": "torch.os.system"}

    def weight(document: Document) -> None:
        spec = document["graph_module"]["signature"]["input_specs"][0]["parameter"]
        spec["parameter_name"] = f'a"), {code}, ("'

    def call(document: Document) -> None:
        document["graph_module"]["module_call_graph"][0]["signature"]["forward_arg_names"] = [f"x={code}"]

    expected = [
        (inputs_name, "is no name in Python"),
        (operator("torch.os.system"), "which is none of PyTorch's that compute a tensor"),
        (operator("math.__loader__.load_module"), "which is none of"),
        (operator("_operator.methodcaller"), "which is none of"),
        (operator("_operator.pow"), "which is none of"),
        (operator("torch.ops.aten.from_file.default"), "which is none of"),
        (operator("torch.ops.aten.save.default"), "which is none of"),
        (operator("torch.ops.higher_order.cond"), "which is none of"),
        (argument, "holds operators as arguments"),
        (weight, "which is no name of one"),
        (call, "which are no names"),
    ]
    for change, reason in expected:
        assert reason in refusal(with_json(content, GRAPH, change), tmp_path)
    assert not trap.exists()


def test_what_a_file_says_of_itself_is_quoted_in_one_line(content: bytes, tmp_path: Path) -> None:
    def dialect(document: Document) -> None:
        document["verifiers"] = "a place\n    and another line"

    assert r"the dialect 'a place\n    and another line'" in refusal(with_json(content, GRAPH, dialect), tmp_path)


def test_a_program_whose_input_is_no_tensor_of_its_graph_is_refused(content: bytes, tmp_path: Path) -> None:
    def number(document: Document) -> None:
        specs = document["graph_module"]["signature"]["input_specs"]
        (given,) = [spec["user_input"] for spec in specs if "user_input" in spec]
        given["arg"] = {"as_int": 5}

    path = tmp_path / "model.pt2"
    path.write_bytes(with_json(content, GRAPH, number))
    with pytest.raises(ImportingError, match="its input is no tensor of its graph"):
        import_program(read_program(path))


def test_checks_in_a_file_are_not_run(content: bytes, tmp_path: Path) -> None:
    path, trap = tmp_path / "model.pt2", tmp_path / "trapped"

    def guards(document: Document) -> None:
        document["guards_code"] = [f"__import__('pathlib').Path({str(trap)!r}).touch() is None"]

    path.write_bytes(with_json(content, GRAPH, guards))
    read_program(path).module()(inputs("residual", 3))
    openwork.quantize(path, inputs("residual", 20))
    assert not trap.exists()


def test_a_count_of_symbols_ends(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"

    def counted(document: Document) -> None:
        document["range_constraints"]["u999999999999"] = {"min_val": 0, "max_val": 9}

    path.write_bytes(with_json(content, GRAPH, counted))
    read_program(path)


def changed_meta(content: bytes, **changes: Any) -> bytes:
    """The file with something else said of its first weight."""

    def change(document: Document) -> None:
        next(iter(document["config"].values()))["tensor_meta"].update(changes)

    return with_json(content, WEIGHTS, change)


def test_weights_are_as_long_as_what_is_said_of_them(content: bytes, tmp_path: Path) -> None:
    weight = dict(members_of(content))[f"{members_of(content)[0][0].partition('/')[0]}/data/weights/weight_0"]
    for length in (0, 8, len(weight) - 8, len(weight) + 8):
        spoiled = with_member(content, "data/weights/weight_0", (weight + bytes(8))[:length])
        assert f"of {length:,} bytes, and the tensors in it take {len(weight):,}" in refusal(spoiled, tmp_path)

    def whole(*numbers: int) -> list[Document]:
        return [{"as_int": number} for number in numbers]

    for changes in (
        {"dtype": 7},
        {"sizes": whole(4, 3, 3, 2)},
        {"strides": whole(27, 9, 3, 2)},
        {"storage_offset": {"as_int": 1}},
        {"sizes": whole(1 << 30, 3, 3, 3), "strides": whole(0, 9, 3, 1)},
        {"sizes": whole(-4, 3, 3, 3)},
        {"sizes": [{"as_expr": {"expr_str": "s1"}}] * 4},
        {"dtype": 11},
        {"layout": 1},
    ):
        assert "weight" in refusal(changed_meta(content, **changes), tmp_path)


def test_what_is_said_of_values_is_what_operators_make_of_them(content: bytes, tmp_path: Path) -> None:
    def shape(name: str) -> Callable[[Document], None]:
        def change(document: Document) -> None:
            values = document["graph_module"]["graph"]["tensor_values"]
            values[name]["sizes"][1]["as_int"] += 1

        return change

    for name in ("p_first_weight", "relu", "cat"):
        assert "and it is" in refusal(with_json(content, GRAPH, shape(name)), tmp_path)

    def stride(document: Document) -> None:
        node_of(document, "conv2d")["inputs"][3]["arg"] = {"as_ints": [1 << 40, 1]}

    assert "is" in refusal(with_json(content, GRAPH, stride), tmp_path)


def test_sizes_multiplied_without_end_are_refused(content: bytes, tmp_path: Path) -> None:
    def squares(document: Document) -> None:
        nodes = document["graph_module"]["graph"]["nodes"]
        for number in range(40):
            factor = {"as_sym_int": {"as_name": f"n_{number}"}} if number else {"as_int": 9}
            nodes.insert(
                number,
                {
                    "target": "_operator.mul",
                    "inputs": [{"name": name, "arg": factor, "kind": 1} for name in "ab"],
                    "outputs": [{"as_sym_int": {"as_name": f"n_{number + 1}"}}],
                    "metadata": {},
                },
            )
            document["graph_module"]["graph"]["sym_int_values"][f"n_{number + 1}"] = {"as_int": 81}

    assert "has a size of more than 64 factors" in refusal(with_json(content, GRAPH, squares), tmp_path)


def test_tied_weights_and_views_of_whole_tensors_are_kept(tmp_path: Path) -> None:
    first, second = nn.Linear(6, 6), nn.Linear(6, 6)
    second.weight = first.weight
    third = nn.Linear(6, 6)
    third.weight = nn.Parameter(torch.randn(6, 6).t())
    model = nn.Sequential(first, nn.ReLU(), second, third)
    path = tmp_path / "model.pt2"
    torch.export.save(torch.export.export(model, (torch.rand(2, 6),)), path)
    batch = torch.rand(5, 6)
    assert torch.allclose(load(path, batch).run(batch).flatten(1), model(batch), atol=1e-6)


def test_a_model_of_another_device_is_loaded_here(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    moved = content
    for name in (GRAPH, WEIGHTS):
        (part,) = (part for full, part in members_of(moved) if full.endswith(name))
        moved = with_member(
            moved, name, part.replace(b'{"type": "cpu", "index": null}', b'{"type": "cuda", "index": 0}')
        )
    assert moved.count(b'"cuda"') > 10
    path.write_bytes(moved)
    assert {tensor.device.type for tensor in read_program(path).state_dict.values()} == {"cpu"}


def test_damaged_files_are_refused(content: bytes, tmp_path: Path) -> None:
    whole = archive_of(members_of(content))
    place = whole.index(b'"graph_module"')
    damaged = bytearray(whole)
    damaged[place + 300] ^= 4
    empty = with_member(content, GRAPH, b"{}")
    for spoiled in (b"", b"text", content[:-1], content[: len(content) // 2], bytes(damaged), empty):
        assert " is not a" in (message := refusal(spoiled, tmp_path)) or " is damaged" in message
    for graph in (b"[" * 100_000, b'{"a": NaN}', b"\xff", b"1" * 10_000, b"null"):
        assert "graph" in refusal(with_member(content, GRAPH, graph), tmp_path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LoadingError, match="there is no file"):
        read_program(tmp_path / "none.pt2")
    (tmp_path / "folder.pt2").mkdir()
    with pytest.raises(LoadingError, match="there is no file"):
        read_program(tmp_path / "folder.pt2")
