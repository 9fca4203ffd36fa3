"""Which extra of the package brings a module that not everybody needs."""

EXTRAS = {
    "matplotlib": "compiler",
    "torch": "torch",
    "torch_pruning": "torch",
    "tflite": "torch",
    "PIL": "torch",
    "sklearn": "torch",
    "amaranth": "sim",
    "cocotb": "sim",
    "cocotb_tools": "sim",
    "pyosys": "sim",
    "amaranth_boards": "fpga",
}
"""By the module's name; `pyproject.toml` says what each extra holds and why."""


def missing_extra(error: ModuleNotFoundError) -> str | None:
    """What to do about a module that is missing, in a sentence; None if no extra brings it.

    >>> missing_extra(ModuleNotFoundError(name="torch.nn"))
    "this needs torch, which is not installed: pip install 'openwork[torch]'"
    """
    module = (error.name or "").partition(".")[0]
    extra = EXTRAS.get(module)
    return f"this needs {module}, which is not installed: pip install 'openwork[{extra}]'" if extra else None
