"""Which of our sources decide a measurement, and a fingerprint of what these sources say.

The fingerprint is of the syntax trees. A comment, a docstring or another layout does not change it. The sources are found from
the imports, as they stand in the text, so that a fingerprint can also be made of a commit that is not checked out.
"""

import ast
import hashlib
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

from openwork.records.runs import Run

Files = Mapping[str, str]
"""Texts by path, as imports see them: ``openwork_hw/array/element.py``, ``openwork_dv/native/main.cpp``; a benchmark is
``networks.py``."""

PACKAGES = ("openwork_hw", "openwork", "openwork_dv", "openwork_fpga")
SUFFIXES = {".py", ".v", ".cpp"}
RECORDING = "openwork/records/"
"""How figures are kept does not change them."""

COMMANDS = {
    "synth": ("openwork_fpga/synth.py",),
    "build": ("openwork_fpga/boards/bitstream.py", "openwork_fpga/boards/catalogue.py"),
}
"""Commands of `openwork` that measure gateware, and the files that they begin with."""

GATEWARE = ("openwork_hw/", "openwork_fpga/")
"""What decides the figures of these commands. The compiler decides none of them: an image is the content of a memory."""


@dataclass(frozen=True)
class _Import:
    """A file that another one imports.

    Attributes:
        target: its path.
        function: the outermost function that the import stands in; empty at module level.
        in_class: whether that is a method.
    """

    target: str
    function: str = ""
    in_class: bool = False


class Sources:
    """All our files at one time, and what of them decides a measurement.

    Attributes:
        files: their texts.
    """

    def __init__(self, files: Files) -> None:
        self.files = files
        self._fingerprints: dict[tuple[str, ...], str] = {}
        self._imports_of: dict[str, list[_Import]] = {}

    @classmethod
    def here(cls, scripts: Path | None = None) -> "Sources":
        """Our files as they are now, with the benchmarks in the folder `scripts`."""
        found = {}
        for package in PACKAGES:
            spec = find_spec(package)
            for place in (spec and spec.submodule_search_locations) or ():
                for path in Path(place).rglob("*"):
                    if path.suffix in SUFFIXES:
                        found[f"{package}/{path.relative_to(place).as_posix()}"] = path.read_text(encoding="utf-8")
        if scripts is not None:
            found |= {path.name: path.read_text(encoding="utf-8") for path in scripts.glob("*.py")}
        return cls(found)

    def fingerprint(self, command: str) -> str:
        """16 hexadecimal digits for what the sources of a measurement say; empty if the command is none that measures."""
        entries = entries_of(command)
        if entries not in self._fingerprints:
            paths = sorted(self.reached(command))
            text = "".join(f"{path} {_digest(path, self.files[path])}\n" for path in paths)
            self._fingerprints[entries] = hashlib.sha256(text.encode()).hexdigest()[:16] if paths else ""
        return self._fingerprints[entries]

    def is_older(self, run: Run) -> bool:
        """Whether these sources are not those that a run measured, or nobody knows which those were."""
        return not run.sources or run.sources != self.fingerprint(run.command)

    def reached(self, command: str) -> set[str]:
        """Paths of the sources that decide what a command measures; none if a file that it begins with is missing.

        These are the files that it begins with, and all that those import, directly or not. Where the gateware is among them,
        all of `openwork_hw` is. A file of another language counts if a file beside it is reached.

        An import inside a function counts only if a reached file names the function. An import inside a method counts only if
        a benchmark does: an `Image` can run itself on everything that we have, but few benchmarks ask for that.
        """
        entries = entries_of(command)
        if not entries or not all(entry in self.files for entry in entries):
            return set()
        only = GATEWARE if all("/" in entry for entry in entries) else ("",)
        found: set[str] = set()
        names: set[str] = set()  # that reached files use
        asked: set[str] = set()  # attributes that benchmarks use
        next_, waiting = list(entries), list[_Import]()
        while next_:
            path = next_.pop()
            if path in found or path.startswith(RECORDING) or not path.startswith(only):
                continue
            found.add(path)
            names |= _names(self.files[path])
            if "/" not in path:
                asked |= set().union(*_attributes(self.files[path]).values())
            waiting += self._imports(path)
            still_waiting = []
            for one in waiting:
                if one.function and one.function not in (asked if one.in_class else names):
                    still_waiting.append(one)
                else:
                    next_ += [one.target, *self._active_folders(one.target)]
            waiting = still_waiting
        if any(path.startswith("openwork_hw/") and not path.startswith("openwork_hw/arch/") for path in found):
            found |= {path for path in self.files if path.startswith("openwork_hw/")}
        folders = {PurePosixPath(path).parent for path in found}
        return found | {
            path for path in self.files if not path.endswith(".py") and PurePosixPath(path).parent in folders
        }

    def _imports(self, path: str) -> list[_Import]:
        """All that a file imports of ours, except for type checkers."""

        def inside(node: ast.AST, function: str, in_class: bool) -> Iterator[_Import]:
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
                    continue
                if isinstance(child, ast.Import | ast.ImportFrom):
                    for target in self._targets(child, path):
                        yield _Import(target, function, in_class)
                elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not function:
                    yield from inside(child, child.name, in_class)
                elif not isinstance(child, ast.expr):
                    yield from inside(child, function, in_class or (isinstance(child, ast.ClassDef) and not function))

        if path not in self._imports_of:
            self._imports_of[path] = list(inside(_tree(self.files[path]), "", False))
        return self._imports_of[path]

    def _targets(self, node: ast.Import | ast.ImportFrom, path: str) -> set[str]:
        """The files that an import statement leads to, through those that only pass on what others define."""
        found: set[str] = set()
        for alias in node.names:
            module = f"{node.module}.{alias.name}" if isinstance(node, ast.ImportFrom) else alias.name
            target = self._path(module)
            if target is None and isinstance(node, ast.ImportFrom):
                target = self._defining(node.module or "", alias.name)
            elif target is not None and _passes_on(self.files[target]):
                names = _attributes(self.files[path]).get(alias.asname or alias.name, ())
                found |= {one for name in names if (one := self._defining(module, name)) is not None}
                target = None if names else target
            found |= {target} if target is not None else set()
        return found

    def _path(self, module: str) -> str | None:
        """The file of a module of ours."""
        base = module.replace(".", "/")
        return next((path for path in (f"{base}.py", f"{base}/__init__.py") if path in self.files), None)

    def _defining(self, module: str, name: str) -> str | None:
        """The file that defines a name which is imported from a module; None if the module is not ours."""
        path = self._path(module)
        if path is None:
            return None
        if inner := self._path(f"{module}.{name}"):
            return inner
        if _passes_on(self.files[path]):
            for node in _tree(self.files[path]).body:
                if isinstance(node, ast.ImportFrom):
                    for alias in node.names:
                        if name == (alias.asname or alias.name):
                            return self._defining(node.module or "", alias.name) or path
        return path

    def _active_folders(self, path: str) -> Iterator[str]:
        """The ``__init__.py`` of each folder above a file, if it does more than pass names on."""
        for folder in PurePosixPath(path).parents:
            init = f"{folder}/__init__.py"
            if init in self.files and not _passes_on(self.files[init]):
                yield init


def entries_of(command: str) -> tuple[str, ...]:
    """The files that a command begins with: a benchmark, or those in `COMMANDS`; none if it measures nothing."""
    program, name, *_ = [*shlex.split(command), "", ""]
    return (PurePosixPath(name).name,) if program == "python" else COMMANDS.get(name, ())


@cache
def _tree(text: str) -> ast.Module:
    return ast.parse(text)


@cache
def _passes_on(text: str) -> bool:
    """Whether a file has only imports from others, ``__all__`` and a docstring."""
    return all(
        isinstance(node, ast.ImportFrom)
        or _is_docstring(node)
        or (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__")
        for node in _tree(text).body
    )


@cache
def _names(text: str) -> frozenset[str]:
    """All names that a text uses: of variables, attributes and imports."""
    nodes = list(ast.walk(_tree(text)))
    return frozenset(
        [node.id for node in nodes if isinstance(node, ast.Name)]
        + [node.attr for node in nodes if isinstance(node, ast.Attribute)]
        + [node.name.rpartition(".")[2] for node in nodes if isinstance(node, ast.alias)]
    )


@cache
def _attributes(text: str) -> dict[str, set[str]]:
    """What a text uses of each expression: its attributes."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(_tree(text)):
        if isinstance(node, ast.Attribute):
            found.setdefault(ast.unparse(node.value), set()).add(node.attr)
    return found


@cache
def _digest(path: str, text: str) -> str:
    """A hash of what a file says: of the syntax tree of Python, of the text of other languages."""
    meaning = "".join(_meaning(_tree(text))) if path.endswith(".py") else text
    return hashlib.sha256(meaning.encode()).hexdigest()


def _meaning(value: object) -> Iterator[str]:
    """A syntax tree in words that all versions of Python have in common, without docstrings."""
    if isinstance(value, ast.AST):
        yield f"({type(value).__name__}"
        for name, field in ast.iter_fields(value):
            # Later versions have more fields, which are empty where nothing new is used.
            if name not in ("ctx", "kind", "type_comment") and field is not None and field != []:
                yield f" {name}="
                yield from _meaning(field)
        yield ")"
    elif isinstance(value, list):
        for one in value:
            if not _is_docstring(one):
                yield from _meaning(one)
                yield ","
    else:
        yield repr(value)


def _is_docstring(node: object) -> bool:
    """A string that stands alone, as docstrings and the descriptions of attributes do."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
