"""One border: every exception class of ours is a refusal, or is listed here with the reason why it is none."""

import importlib
import inspect

from tests.test_layers import FOLDERS

from openwork_hw.arch.refusal import Refusal

NO_REFUSALS = {
    "openwork.cli.entry.Interrupted": "the user pressed Ctrl-C; nothing is wrong",
    "openwork.operations.arguments.Unsupported": "never leaves the front end, which puts all of them into one ImportingError",
    **{
        f"openwork.frontend.{name}": "never leaves the front end, which says the rest of its sentence"
        for name in (
            "archive.ArchiveError",
            "comparison.Difference",
            "functional.NotFunctional",
            "onnx.wire.OnnxError",
            "program_json.ProgramError",
            "propagation.Contradiction",
            "sizes.SizeError",
        )
    },
    "openwork_dv.bench.bus_shell.HangError": "ends a bench inside the simulator; nobody outside it sees it",
}


def exception_classes() -> dict[str, type[BaseException]]:
    """Every exception class that a module of ours defines, under its whole name."""
    found = {}
    for package, folder in FOLDERS.items():
        for path in sorted(folder.rglob("*.py")):
            if path.name == "__main__.py":
                continue
            name = ".".join((package, *path.relative_to(folder).with_suffix("").parts)).removesuffix(".__init__")
            for key, value in vars(importlib.import_module(name)).items():
                if inspect.isclass(value) and issubclass(value, BaseException) and value.__module__ == name:
                    found[f"{name}.{key}"] = value
    return found


def test_every_exception_class_is_a_refusal_or_is_listed() -> None:
    others = {name for name, found in exception_classes().items() if not issubclass(found, Refusal)}
    assert others == set(NO_REFUSALS)
    assert len(exception_classes()) > 20
