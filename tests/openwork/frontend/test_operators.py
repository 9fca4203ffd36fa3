"""Every overload of every operator that the front end takes: as PyTorch computes it, or refused by name."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from inspect import Parameter, signature
from typing import Any

import pytest
import torch
from torch import nn

from openwork.frontend import ImportingError, import_module
from openwork.frontend.fx_nodes import RENAMED, defaults_of, needless
from openwork.frontend.node import fitting
from openwork.frontend.operators import OPERATORS
from openwork.operations.arguments import Unsupported


def overloads() -> Iterator[torch._ops.OpOverload]:
    """All overloads of `aten` whose name, in place or not, is one that the front end knows."""
    for name in sorted({one.name.partition("::")[2] for one in torch._C._jit_get_all_schemas()}):
        packet = getattr(torch.ops.aten, name, None)
        if name.strip("_") in OPERATORS.keys() - {"getitem"} and isinstance(packet, torch._ops.OpOverloadPacket):
            for overload in packet.overloads():  # type: ignore[no-untyped-call]  # torch has no types here
                yield getattr(packet, overload)


OVERLOADS = list(overloads())


def test_there_are_overloads_of_every_operator() -> None:
    named = {one._schema.name.partition("::")[2].strip("_") for one in OVERLOADS}
    assert named == OPERATORS.keys() - {"getitem"}
    assert len(OVERLOADS) > 150


@pytest.mark.parametrize("name", OPERATORS)
def test_handlers_swallow_no_argument(name: str) -> None:
    kinds = {parameter.kind for parameter in signature(OPERATORS[name]).parameters.values()}
    assert kinds == {Parameter.POSITIONAL_OR_KEYWORD}


@pytest.mark.parametrize("overload", OVERLOADS, ids=str)
def test_a_handler_gets_every_argument_or_the_overload_is_refused_by_name(overload: torch._ops.OpOverload) -> None:
    names = [RENAMED.get(one.name, one.name) for one in overload._schema.arguments]
    handler = OPERATORS[overload._schema.name.partition("::")[2].strip("_")]
    strange = object()  # equal to no default
    try:
        arguments = dict.fromkeys(names, strange)
        found = fitting(handler, arguments, needless(arguments, defaults_of(overload)))
    except Unsupported as reason:
        assert any(f"with {name} " in str(reason) for name in names) or "in a form without " in str(reason)
    else:
        signature(handler).bind(None, None, **found)


@dataclass
class Sample:
    """Arguments for one operator.

    Attributes:
        required: what each has, by name.
        others: more values that an argument may have, each tried in turn.
        flat: the operator works on vectors.
    """

    required: dict[str, Any] = field(default_factory=dict)
    others: dict[str, list[Any]] = field(default_factory=dict)
    flat: bool = False


def random(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(7)) + 0.5


OTHER = {
    "other": [random(4, 1, 1), random(1, 4, 1, 1), random(4, 6, 6), random(6), 2, True, random(1), torch.tensor(3)]
}
POOLED = Sample(
    {"kernel_size": [2, 2]},
    {"kernel_size": [[3, 2], [2]], "stride": [[2, 2], [1], [2, 1]], "padding": [[1, 1], [1]], "dilation": [[2, 2]],
     "ceil_mode": [True], "count_include_pad": [False], "divisor_override": [3]},
)  # fmt: skip
NORMALIZED = Sample(
    {"weight": random(4), "bias": random(4), "running_mean": random(4), "running_var": random(4), "training": False,
     "momentum": 0.1, "eps": 1e-5, "cudnn_enabled": True},
    {"weight": [None], "bias": [None], "running_mean": [None], "training": [True], "momentum": [0.9], "eps": [0.5]},
)  # fmt: skip
CONVOLVED = Sample(
    {"weight": random(4, 4, 3, 3), "bias": random(4), "stride": [1, 1], "padding": [0, 0], "dilation": [1, 1],
     "transposed": False, "output_padding": [0, 0], "groups": 1, "benchmark": False, "deterministic": False,
     "cudnn_enabled": True, "allow_tf32": True},
    {"bias": [None], "stride": [[2, 2], [1, 2]], "padding": [[1, 1], [0, 2], "same", "valid"],
     "dilation": [[2, 2], [1, 2]], "transposed": [True], "output_padding": [[1, 1]], "allow_tf32": [False]},
)  # fmt: skip
RESIZED = Sample(
    {"output_size": [12, 12], "scale_factors": None, "align_corners": False},
    {"output_size": [[6, 18], [3, 3], [9, 5]], "align_corners": [True], "scales_h": [2.1], "scales_w": [1.9]},
)
LIMITED = Sample(
    {"min": 0.25, "max": 0.5},
    {
        "min": [None, 0, 2.0, float("nan"), torch.tensor(0.25), random(4, 1, 1)],
        "max": [None, 1, -1.0, torch.tensor(0.5)],
    },
)
DROPPED = Sample({"p": 0.5, "train": False}, {"p": [0.9], "train": [True]})

SAMPLES = {
    "add": Sample({"other": 0.5}, OTHER | {"alpha": [2, 0.5, 1.0]}),
    "sub": Sample({"other": 0.5}, OTHER | {"alpha": [2]}),
    "rsub": Sample({"other": 0.5}, OTHER | {"alpha": [2]}),
    "mul": Sample({"other": 0.5}, OTHER),
    "div": Sample({"other": 0.5, "rounding_mode": None}, OTHER | {"rounding_mode": ["floor", "trunc"]}),
    "hardtanh": Sample({}, {"min_val": [0, 0.25], "max_val": [0.5, 6]}),
    "clamp": LIMITED,
    "clamp_min": Sample({"min": 0.25}, {"min": LIMITED.others["min"]}),
    "clamp_max": Sample({"max": 0.5}, {"max": LIMITED.others["max"]}),
    "avg_pool2d": POOLED,
    "max_pool2d": POOLED,
    "max_pool2d_with_indices": POOLED,
    "adaptive_max_pool2d": Sample({"output_size": [3, 3]}, {"output_size": [[1, 1], [4, 5], [6, 2], [1, 4]]}),
    "adaptive_avg_pool2d": Sample({"output_size": [3, 3]}, {"output_size": [[1, 1], [4, 4], [6, 1]]}),
    "mean": Sample(
        {"dim": [2, 3]},
        {"dim": [[-1, -2], [1], [2], [0], None], "keepdim": [True], "dtype": [torch.float16, torch.float32, torch.float64]},
    ),
    "upsample_nearest2d": Sample(
        {"output_size": [12, 12], "scale_factors": None},
        {"output_size": [[18, 18], [12, 18], [3, 3], [9, 9]], "scales_h": [2.1, 2.05], "scales_w": [2.1, 2.05]},
    ),
    "upsample_nearest_exact2d": Sample(
        {"output_size": [12, 12], "scale_factors": None},
        {"output_size": [[12, 18], [3, 3], [9, 9]], "scales_h": [2.1], "scales_w": [2.1]},
    ),
    "upsample_bilinear2d": RESIZED,
    "upsample_bicubic2d": RESIZED,
    "pixel_shuffle": Sample({"upscale_factor": 2}, {"upscale_factor": [1]}),
    "pixel_unshuffle": Sample({"downscale_factor": 2}, {"downscale_factor": [1, 3]}),
    "reflection_pad2d": Sample({"padding": [1, 2, 0, 3]}, {"padding": [[0, 0, 1, 1]]}),
    "replication_pad2d": Sample({"padding": [1, 2, 0, 3]}, {"padding": [[0, 7, 0, 0], [-1, 1, 0, 0]]}),
    "conv_transpose2d": Sample(
        {"weight": random(4, 3, 3, 3), "bias": random(3), "stride": [2, 2], "padding": [1, 1], "output_padding": [0, 0],
         "groups": 1, "dilation": [1, 1]},
        {"bias": [None], "stride": [[1, 1], [2, 3]], "padding": [[0, 0], [0, 2]], "output_padding": [[1, 1], [0, 1]],
         "dilation": [[2, 2], [1, 2]]},
    ),
    "conv2d": CONVOLVED,
    "convolution": CONVOLVED,
    "batch_norm": NORMALIZED,
    "native_batch_norm_legit_no_training": NORMALIZED,
    "linear": Sample({"weight": random(3, 8), "bias": random(3)}, {"bias": [None]}, flat=True),
    "addmm": Sample({"self": random(3), "mat2": random(8, 3), "out_dtype": torch.float32},
                    {"self": [random(1, 3), random(2, 3), random(2, 1), random(1)], "beta": [2], "alpha": [0.5]}, flat=True),
    "mm": Sample({"mat2": random(8, 3), "out_dtype": torch.float32}, flat=True),
    "cat": Sample({}, {"dim": [1, -3, 0, 2]}),
    "concat": Sample({}, {"dim": [1, -3, 0, 2]}),
    "pad": Sample({"pad": [1, 1, 1, 1]}, {"pad": [[1, 0], [0, 0, 0, 0, 1, 2], [-1, 1]], "mode": ["reflect", "circular"],
                                        "value": [0.0, 1.0]}),
    "constant_pad_nd": Sample({"pad": [1, 1, 1, 1]}, {"pad": [[1, 0], [-1, 1]], "value": [1.0]}),
    "slice": Sample({"dim": 1}, {"dim": [2, 3, 0], "start": [1, -1], "end": [2, -1], "step": [2]}),
    "view": Sample({"size": [2, -1], "dtype": torch.int32}, {"size": [[2, 2, 12, 6], [2, 4, 36]], "dtype": [torch.float32]}),
    "unsafe_view": Sample({"size": [2, 144]}, {"size": [[2, 2, 12, 6]]}),
    "reshape": Sample({"shape": [2, -1]}, {"shape": [[2, 2, 12, 6], [4, 72]]}),
    "flatten": Sample({}, {"start_dim": [1, 2], "end_dim": [2]}),
    "squeeze": Sample({"dim": 1}, {"dim": [0, [1, 2]]}),
    "unsqueeze": Sample({"dim": 1}, {"dim": [0, -1]}),
    "unflatten": Sample({"dim": 1, "sizes": [2, 2]}),
    "dropout": DROPPED,
    "feature_dropout": DROPPED,
    "alpha_dropout": DROPPED,
    "feature_alpha_dropout": DROPPED,
    "clone": Sample({}, {"memory_format": [torch.channels_last]}),
    "contiguous": Sample({}, {"memory_format": [torch.channels_last]}),
    "gelu": Sample({}, {"approximate": ["tanh"]}),
    "elu": Sample({}, {"alpha": [0.5, 2], "scale": [1.5], "input_scale": [0.5]}),
    "celu": Sample({}, {"alpha": [0.5]}),
    "softplus": Sample({}, {"beta": [2], "threshold": [1]}),
    "softshrink": Sample({}, {"lambd": [0.1]}),
    "leaky_relu": Sample({}, {"negative_slope": [0.25, 0, 1, 1.5, -0.5, float("inf")]}),
    "prelu": Sample({"weight": random(4) - 0.5}, {"weight": [random(1), random(4), random(4) + 1]}),
    "chunk": Sample({"chunks": 2, "dim": 1}, {"chunks": [1, 3, 9], "dim": [-3, 0, 2]}),
    "split": Sample({"split_size": 2, "split_sizes": [1, 3], "dim": 1}, {"split_size": [1, 4, [3, 1]], "dim": [-3, 2]}),
    "split_with_sizes": Sample({"split_sizes": [1, 3], "dim": 1}, {"split_sizes": [[4], [2, 1, 1]], "dim": [0, 3]}),
    "tensor_split": Sample({"sections": 2, "indices": [1], "dim": 1, "tensor_indices_or_sections": torch.tensor(2)},
                           {"sections": [3], "indices": [[3], [1, 2]], "dim": [2]}),
    "narrow": Sample({"dim": 1, "start": 1, "length": 2}, {"start": [0, -1, -4, torch.tensor(1)], "length": [1], "dim": [2, -3]}),
}  # fmt: skip
PLAIN = {"relu", "relu6", "neg", "abs", "hardsigmoid", "alias", "detach", "silu", "hardswish", "sigmoid", "tanh", "selu", "mish",
         "exp"}  # fmt: skip


class Called(nn.Module):
    """A layer, and one overload with these arguments."""

    def __init__(self, overload: torch._ops.OpOverload, arguments: dict[str, Any], flat: bool) -> None:
        super().__init__()
        self.overload, self.arguments = overload, arguments
        self.layer: nn.Module = nn.Linear(8, 8) if flat else nn.Conv2d(4, 4, 1)
        for name, value in arguments.items():
            if isinstance(value, torch.Tensor):
                self.register_buffer(f"given_{name}", value.clone())

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        values = self.layer(batch)
        arguments = {name: getattr(self, f"given_{name}", value) for name, value in self.arguments.items()}
        arguments = {name: values if value is HERE else value for name, value in arguments.items()}
        if arguments.get("tensors") is BOTH:
            arguments["tensors"] = [values, values * 2]
        result = self.overload(**arguments)
        return result[0] if isinstance(result, list | tuple) else result


HERE, BOTH = "here", "both"
"""The layer's outputs, and two maps of them."""


def calls(overload: torch._ops.OpOverload) -> Iterator[dict[str, Any]]:
    """Arguments of an overload: as they must be, then each other value of each."""
    name = overload._schema.name.partition("::")[2].strip("_")
    sample = SAMPLES.get(name, Sample())
    first = "mat1" if name == "addmm" else "tensors" if name in ("cat", "concat") else None
    known: dict[str, Any] = {}
    for argument in overload._schema.arguments:
        if argument.name == first or (first is None and argument.name in ("self", "input")):
            known[argument.name] = BOTH if argument.name == "tensors" else HERE
        elif argument.name in sample.required and not (argument.name == "dim" and "Dimname" in str(argument.type)):
            value = sample.required[argument.name]
            scalar = isinstance(value, float) and "Tensor" in str(argument.type)
            known[argument.name] = torch.tensor(value) if scalar else value
        elif "out" in argument.name or argument.name == "indices":
            known[argument.name] = torch.empty(0)
    yield known
    for argument in overload._schema.arguments:
        for value in sample.others.get(argument.name, []):
            yield known | {argument.name: value}


def test_every_operator_has_a_sample() -> None:
    assert SAMPLES.keys() | PLAIN == OPERATORS.keys() - {"getitem"}


def expected_of(model: Called, batch: torch.Tensor) -> torch.Tensor | None:
    """What PyTorch makes of it; None if that is nothing."""
    try:
        with torch.no_grad():
            return model(batch)
    except (RuntimeError, TypeError, IndexError, NotImplementedError, ValueError):
        return None


TENSOR_OVERLOADS = [
    one for one in OVERLOADS if any("Tensor" in str(argument.type) for argument in one._schema.arguments)
]


@pytest.mark.slow
@pytest.mark.parametrize("overload", TENSOR_OVERLOADS, ids=str)
def test_an_overload_computes_what_pytorch_does_or_is_refused(overload: torch._ops.OpOverload) -> None:
    name = overload._schema.name.partition("::")[2].strip("_")
    flat = SAMPLES.get(name, Sample()).flat
    torch.manual_seed(5)
    batch = torch.randn(2, 8) if flat else torch.randn(2, 4, 6, 6)
    ran = 0
    for arguments in calls(overload):
        model = Called(overload, arguments, flat).eval()
        expected = expected_of(model, batch)
        if expected is None:
            continue
        ran += 1
        try:
            network = import_module(model, batch, host=False)
        except ImportingError as error:
            assert "not supported: " in str(error) or "cannot be traced" in str(error), (arguments, str(error))
            assert "away from what was understood" not in str(error), arguments
            continue
        result = network.run(batch)
        if expected.dtype == torch.float64 or expected.dtype == torch.float32:
            assert torch.allclose(result.reshape(expected.shape).double(), expected.double(), atol=1e-4), arguments
        else:
            assert torch.equal(result.reshape(expected.shape), expected), arguments
    named = any("Dimname" in str(argument.type) for argument in overload._schema.arguments)
    assert ran or named or overload._overloadname.endswith("out") or "dtype" in overload._overloadname, "never ran"
