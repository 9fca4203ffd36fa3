"""Which extra of the package installs a module that not every user needs."""

EXTRAS = {
    "matplotlib": "compiler",
    "torch": "torch",
    "torch_pruning": "torch",
    "onnx": "onnx",
    "tflite": "torch",
    "PIL": "torch",
    "sklearn": "torch",
    "amaranth": "sim",
    "cocotb": "sim",
    "cocotb_tools": "sim",
    "pyosys": "sim",
    "amaranth_boards": "fpga",
    "dask": "sweep",
    "distributed": "sweep",
}
"""The extra of each module; `pyproject.toml` says what each extra holds and why."""


def missing_extra(error: ModuleNotFoundError) -> str | None:
    """The sentence about a missing module; None if no extra installs this module.

    >>> missing_extra(ModuleNotFoundError(name="torch.nn"))
    "this needs torch, which is not installed: pip install 'openwork[torch]'"
    """
    module = (error.name or "").partition(".")[0]
    extra = EXTRAS.get(module)
    return f"this needs {module}, which is not installed: pip install 'openwork[{extra}]'" if extra else None
