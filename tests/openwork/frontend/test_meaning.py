"""Whatever a model does with its memory: its network computes what the model does, or a sentence says why there is none."""

import io
import math
import threading
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from tests.openwork.frontend.alias_programs import AliasProgram
from tests.slow import slow_but
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations, prune

import openwork
from openwork.files import encode_network
from openwork.frontend import FloatNetwork, ImportingError, import_module, import_program
from openwork.quantization import QuantizationError


class Written(nn.Module):
    """Two convolutions and a function of them and an input."""

    count: torch.Tensor
    pixels: torch.Tensor

    def __init__(self, function: Callable[["Written", torch.Tensor], Any]) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 4, 1)
        self.last = nn.Linear(4 * 36, 5)
        self.norm = nn.BatchNorm2d(4)
        self.register_buffer("count", torch.ones(4, 1, 1))
        self.plain = torch.ones(4, 1, 1)
        self.pixels = torch.rand(6, 6)
        self.function = function

    def forward(self, images: torch.Tensor) -> Any:
        return self.function(self, images)


def batch_of(count: int = 4, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(count, 3, 6, 6, generator=torch.Generator().manual_seed(9)).to(dtype)


def agrees(model: nn.Module, network: FloatNetwork, batch: torch.Tensor, reference: nn.Module | None = None) -> bool:
    """Whether a network gives what a model (or another, which is known to be right) gives."""
    with torch.no_grad():
        expected = (model if reference is None else reference).eval()(batch.clone())
    return torch.allclose(network.run(batch).reshape(expected.shape), expected, rtol=1e-4, atol=1e-4)


def state_of(model: nn.Module) -> dict[str, Any]:
    """All of a model that could be changed."""
    state: dict[str, Any] = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    for name, module in model.named_modules():
        state[f"{name} training"] = module.training
        for key, value in vars(module).items():
            if isinstance(value, torch.Tensor):
                state[f"{name} {key}"] = (id(value), value.detach().clone())
    return state


def same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Whether two states are the same to the last bit."""
    pairs = [(first[key], second.get(key)) for key in first]
    unpacked = [
        (a[1], b[1]) if isinstance(a, tuple) and isinstance(b, tuple) and a[0] == b[0] else (a, b) for a, b in pairs
    ]
    return first.keys() == second.keys() and all(
        torch.equal(a, b) if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor) else a == b
        for a, b in unpacked
    )


def changed(maps: torch.Tensor, change: Callable[[torch.Tensor], object]) -> torch.Tensor:
    change(maps)
    return maps


IN_PLACE: dict[str, Callable[[torch.Tensor], object]] = {
    "slice": lambda y: functional.relu_(y[:, :2]),
    "slice scaled": lambda y: y[:, :2].mul_(0.25),
    "view": lambda y: y.view(y.shape[0], -1).clamp_(min=0),
    "flatten": lambda y: y.flatten(1).clamp_(0, 1),
    "detach": lambda y: y.detach().clamp_(0, 1),
    "data": lambda y: y.data.clamp_(0, 1),
    "transpose": lambda y: y.transpose(2, 3).mul_(-0.5),
    "permute": lambda y: y.permute(0, 2, 3, 1).relu_(),
    "chunk": lambda y: y.chunk(2, 1)[0].relu_(),
    "split": lambda y: torch.split(y, 1, 1)[3].zero_(),
    "select": lambda y: y.select(1, 2).add_(1),
    "select by index": lambda y: y[:, 1].add_(1),
    "expand": lambda y: y.expand(-1, -1, -1, -1).relu_(),
    "narrow": lambda y: y.narrow(2, 0, 3).mul_(3),
    "unbind": lambda y: functional.hardtanh_(y.unbind(1)[0]),
    "squeeze": lambda y: y.unsqueeze(0).squeeze(0).relu_(),
    "diagonal": lambda y: y.diagonal(dim1=2, dim2=3).zero_(),
    "real": lambda y: torch.real(y).relu_(),
    "contiguous": lambda y: y.contiguous().relu_(),
    "to": lambda y: y.to(torch.float32).relu_(),
    "dropout": lambda y: functional.dropout(y, training=False).relu_(),
    "alpha dropout": lambda y: functional.alpha_dropout(y, training=False).relu_(),
    "set item": lambda y: y.__setitem__((slice(None), slice(0, 2)), functional.relu(y[:, :2])),
    "set item of a mask": lambda y: y.__setitem__(y < 0, 0.0),
    "copy": lambda y: y[:, :2].copy_(y[:, 2:]),
    "index put": lambda y: y.index_put_((torch.tensor([0]),), torch.tensor(0.5)),
    "index add": lambda y: y.index_add_(1, torch.tensor([0]), torch.ones_like(y[:, :1])),
    "scatter": lambda y: y.scatter_(1, torch.zeros_like(y[:, :1], dtype=torch.int64), 2.0),
    "masked fill": lambda y: y.masked_fill_(y < 0, 0.0),
    "fill diagonal": lambda y: y[0, 0].fill_diagonal_(2.0),
    "out": lambda y: torch.mul(y, 2, out=y),
    "swap": lambda y: y.set_(y.flip(1).untyped_storage(), 0, y.shape, y.stride()),
    "resize": lambda y: y.resize_(y.shape),
    "lerp": lambda y: y.lerp_(torch.zeros_like(y), 0.5),
    "addcmul": lambda y: y.addcmul_(y, y),
    "batch norm's own": lambda y: functional.relu(functional.batch_norm(y, torch.zeros(4), torch.ones(4)), inplace=True),
}  # fmt: skip


OF_EACH_KIND = (
    "slice",
    "flatten",
    "detach",
    "transpose",
    "chunk",
    "select",
    "set item of a mask",
    "copy",
    "index put",
    "swap",
)
"""Views of each kind, and changes of each kind."""


@pytest.mark.parametrize(
    ("read", "name"),
    slow_but(
        product(["base", "view before", "view after"], IN_PLACE),
        *product(["view before"], OF_EACH_KIND),
        ("base", "out"),
        ("view after", "batch norm's own"),
    ),
)
def test_what_is_changed_in_place_is_seen_by_all_that_share_it(name: str, read: str) -> None:
    def function(self: Written, images: torch.Tensor) -> torch.Tensor:
        maps = self.first(images)
        before = maps.view(maps.shape)
        IN_PLACE[name](maps)
        result: torch.Tensor = self.second(
            {"base": maps, "view before": before, "view after": maps.flatten(1).view(maps.shape)}[read]
        )
        return result

    model, batch = Written(function), batch_of()
    try:
        with torch.no_grad():
            model(batch)
    except RuntimeError:
        return  # PyTorch itself does not take this: there is nothing to import
    try:
        network = import_module(model, batch[:1])
    except ImportingError as error:
        assert "not supported" in str(error) or "cannot be traced" in str(error)
    else:
        assert agrees(model, network, batch)


def behind_dropout(self: Written, images: torch.Tensor) -> torch.Tensor:
    maps = self.first(images)
    dropped = functional.dropout(maps, training=False)
    maps.relu_()
    result: torch.Tensor = self.second(dropped)
    return result


def flattened_before(self: Written, images: torch.Tensor) -> torch.Tensor:
    maps = self.first(images)
    flat = maps.flatten(1)
    maps.relu_()
    result: torch.Tensor = self.last(flat)
    return result


def summed_twice(self: Written, images: torch.Tensor) -> torch.Tensor:
    maps: torch.Tensor = self.first(images)
    other = self.second(maps)
    other.add_(maps)
    return maps.add_(other)


def ungraded(self: Written, images: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        result: torch.Tensor = self.second(self.first(images)).relu_()
    return result


def coloured(self: Written, images: torch.Tensor) -> torch.Tensor:
    grey = self.second(self.first(images))[:, :1]
    result: torch.Tensor = self.first(grey * torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1))
    return result


RIGHT: dict[str, Callable[[Written, torch.Tensor], Any]] = {
    "a residual that is added in place": lambda m, x: changed(m.first(x), lambda y: y.add_(m.second(y))),
    "a limit on a map that is an output, too": lambda m, x: m.second((y := m.first(x)).relu_()) + y,
    "a flattened map, and then its base": flattened_before,
    "an input that is changed": lambda m, x: m.first(x.mul_(2).add_(-1)),
    "in place behind dropout": behind_dropout,
    "dropout in place": lambda m, x: m.second(functional.dropout(m.first(x), 0.5, m.training, True)),
    "two limits in place": lambda m, x: m.second(functional.hardtanh_(torch.ops.aten.relu6_(m.first(x)), 0.0, 0.5)),
    "without gradients": lambda m, x: ungraded(m, x),
    "a sum in place, twice": summed_twice,
    "a constant for each of three channels on one": coloured,
}


@pytest.mark.parametrize(
    "name",
    slow_but(
        RIGHT,
        "a residual that is added in place",
        "a flattened map, and then its base",
        "an input that is changed",
        "a sum in place, twice",
        "without gradients",
        "a constant for each of three channels on one",
    ),
)
def test_aliases_that_an_array_can_follow(name: str) -> None:
    model, batch = Written(RIGHT[name]), batch_of()
    assert agrees(model, import_module(model, batch[:1]), batch)
    with torch.no_grad():
        program = torch.export.export(model.eval(), (batch.clone(),), dynamic_shapes=({0: torch.export.Dim.AUTO},))
    assert agrees(model, import_program(program), batch)


def clipped(self: Written, images: torch.Tensor) -> torch.Tensor:
    self.first.weight.data.clamp_(-0.1, 0.1)
    result: torch.Tensor = self.first(images)
    return result


def normalized(self: Written, maps: torch.Tensor) -> torch.Tensor:
    return functional.batch_norm(maps, self.norm.running_mean, self.norm.running_var, training=True)


REFUSED: dict[str, tuple[Callable[[Written, torch.Tensor], Any], str]] = {
    "a buffer that grows": (lambda m, x: m.first(x) * m.count.add_(1), "changes its own buffer 'count'"),
    "a tensor that grows": (lambda m, x: m.first(x) * m.plain.add_(1), "not supported"),
    "a weight that is limited": (clipped, "not supported"),
    "batch norm in training mode": (lambda m, x: normalized(m, m.first(x)), "training mode"),
    "batch norm in training mode, in place": (lambda m, x: normalized(m, m.first(x).relu_()), "model.eval()"),
    "dropout in training mode": (lambda m, x: functional.dropout(m.first(x), 0.5, True), "training mode"),
    "dropout in training mode, in place": (
        lambda m, x: functional.dropout(m.first(x), 0.5, True, True),
        "training mode",
    ),
    "random numbers": (lambda m, x: m.first(x) + torch.randn(4, 1, 1), "random numbers"),
    "random numbers like a constant": (lambda m, x: m.first(x) * torch.rand_like(m.count), "random numbers"),
    "rounding": (lambda m, x: m.first(x).floor(), "floor"),
    "remainders": (lambda m, x: m.first(x) % 2, "remainder"),
    "division that rounds": (lambda m, x: torch.div(m.first(x), 2, rounding_mode="floor"), "rounding_mode floor"),
    "another dtype of the same bits": (lambda m, x: m.first(x).view(torch.int32).view(torch.float32), "view"),
    "half precision inside": (lambda m, x: m.second(m.first(x).half().float()), "to"),
    "softmax over rows at the end": (lambda m, x: m.first(x).softmax(2), "softmax at"),
    "argmax of all": (lambda m, x: m.first(x).argmax(), "argmax at"),
    "a limit that is no number": (lambda m, x: m.first(x).clamp(min=math.nan), "NaN"),
    "a constant for each pixel": (lambda m, x: m.first(x) + m.pixels, "a constant of [6, 6]"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_an_array_cannot_do_is_refused_by_name(name: str) -> None:
    function, reason = REFUSED[name]
    model, batch = Written(function).eval(), batch_of()
    with pytest.raises(ImportingError) as caught:
        import_module(model, batch[:1], host=False)
    assert reason in str(caught.value)


def test_a_buffer_that_the_result_does_not_read_may_change() -> None:
    model, batch = Written(lambda m, x: (m.count.add_(1), m.first(x))[-1]), batch_of()
    assert agrees(model, import_module(model, batch[:1]), batch)


@pytest.mark.parametrize("factor", [2, 3, 5, 2.1, (3.0, 3.0)])
def test_upsampling_takes_pytorchs_pixels(factor: Any) -> None:
    model, batch = Written(lambda m, x: functional.interpolate(m.first(x), scale_factor=factor)), batch_of()
    assert agrees(model, import_module(model, batch[:1]), batch)
    sized = Written(lambda m, x: functional.interpolate(m.first(x), size=(18, 18)))
    assert agrees(sized, import_module(sized, batch[:1]), batch)


def masked() -> nn.Module:
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 3))
    for place in (0, 2):
        prune.l1_unstructured(model[place], "weight", 0.7)  # type: ignore[no-untyped-call]  # torch has no types here
    return model


class Keeping(nn.Module):
    """Keeps what it computed last, in an attribute, a list and a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3)
        self.kept: list[torch.Tensor] = []
        self.named: dict[str, torch.Tensor] = {}

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.last: torch.Tensor = self.convolution(images)
        self.kept.append(self.last)
        self.named["last"] = self.last.relu()
        return self.last


def hooked() -> nn.Module:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    model[0].register_forward_hook(lambda _module, _inputs, outputs: outputs.mul_(2))
    model[0].register_forward_pre_hook(lambda _module, inputs: (inputs[0] - 1,))
    return model


def tied() -> nn.Module:
    first, second = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
    second.weight = first.weight
    return nn.Sequential(first, nn.ReLU(inplace=True), second, first)


def strided() -> nn.Module:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1))
    model[0].weight = nn.Parameter(torch.randn(3, 3, 3, 4).permute(3, 2, 0, 1))
    model[1].weight = nn.Parameter(torch.randn(8, 4, 1, 1)[::2])
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's types lack it


MODULES: dict[str, Callable[[], nn.Module]] = {
    "masks of torch.nn.utils.prune": masked,
    "weight_norm of old": lambda: nn.Sequential(nn.utils.weight_norm(nn.Conv2d(3, 8, 3)), nn.ReLU()),
    "spectral_norm of old": lambda: nn.Sequential(nn.utils.spectral_norm(nn.Conv2d(3, 8, 3)), nn.ReLU()),
    "weight_norm": lambda: nn.Sequential(parametrizations.weight_norm(nn.Conv2d(3, 8, 3)), nn.ReLU()),
    "spectral_norm": lambda: nn.Sequential(parametrizations.spectral_norm(nn.Conv2d(3, 8, 3)), nn.ReLU()),
    "orthogonal": lambda: nn.Sequential(parametrizations.orthogonal(nn.Conv2d(3, 8, 3)), nn.ReLU()),
    "orthogonal by householder": lambda: nn.Sequential(
        parametrizations.orthogonal(nn.Conv2d(3, 8, 3), orthogonal_map="householder")
    ),
    "a kept activation": Keeping,
    "hooks": hooked,
    "tied weights": tied,
    "weights of other layouts": strided,
    "dropout in place": lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout(inplace=True), nn.Dropout2d(inplace=True)),
    "batch norm": lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True)),
    "batch norm without weights": lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, affine=False)),
    "a Python module as an attribute": lambda: with_attribute(math),
}


def with_attribute(value: object) -> nn.Module:
    model = nn.Sequential(nn.Conv2d(3, 4, 3))
    model.helper = value  # type: ignore[assignment]
    return model


@pytest.mark.parametrize(
    ("name", "ran"),
    slow_but(
        product(MODULES, [False, True]),
        *product(["masks of torch.nn.utils.prune", "weight_norm", "hooks", "tied weights", "batch norm"], [False]),
        ("a kept activation", True),
        ("weights of other layouts", True),
    ),
)
def test_a_users_module_is_taken_as_it_is_and_stays_so(name: str, ran: bool) -> None:
    torch.manual_seed(1)
    model, batch = MODULES[name](), batch_of(20)
    if ran:
        model(batch)
    model.train()
    before = state_of(model)
    network = import_module(model, batch[:1])
    assert same(before, state_of(model))
    first, second = (encode_network(openwork.quantize(model, batch)) for _ in range(2))
    assert first == second
    assert same(before, state_of(model))
    assert agrees(model, network, batch)


def test_pruned_weights_that_are_still_masked_are_zero() -> None:
    model = masked()
    network = import_module(model, batch_of(1))
    for place, layer in zip((0, 2), network.layers, strict=True):
        assert torch.equal(layer.weights == 0, model[place].weight_mask == 0)  # type: ignore[index]


def test_a_users_program_stays_as_it_is() -> None:
    model = Written(lambda m, x: m.second(m.first(x).relu_()) + m.count)
    shapes = ({0: torch.export.Dim.AUTO, 2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO},)
    for dynamic in (None, shapes):
        program = torch.export.export(model.eval(), (batch_of(),), dynamic_shapes=dynamic)
        before, text = parts_of(program), str(program)
        files = [encode_network(openwork.quantize(program, batch_of(20))) for _ in range(2)]
        assert files[0] == files[1]
        assert str(program) == text and parts_of(program) == before


def parts_of(program: torch.export.ExportedProgram) -> dict[str, bytes]:
    """What a program would be saved as."""
    file = io.BytesIO()
    torch.export.save(program, file)
    reader = torch._C.PyTorchFileReader(io.BytesIO(file.getvalue()))
    return {name: reader.get_record(name) for name in reader.get_all_records() if "serialization_id" not in name}


def test_a_network_keeps_its_weights_when_the_model_is_trained_on() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3)).double()
    batch = batch_of(2, torch.float64)
    network = import_module(model, batch)
    before = network.run(batch)
    with torch.no_grad():
        model.get_parameter("0.weight").mul_(3)
    assert torch.equal(network.run(batch), before)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_models_and_data_of_other_precision(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True)).eval()
    network = openwork.quantize(model.to(dtype), batch_of(20, dtype))
    expected = model.float()(batch_of(20, dtype).float())
    real = network.dequantize_outputs(openwork.compile(network).run(batch_of(20, dtype)))
    assert np.abs(real - expected.detach().numpy()).max() < 6 * network.tensor(network.outputs[0]).scale


def test_what_cannot_be_copied_is_told() -> None:
    with pytest.raises(ImportingError, match=r"keeps something that cannot be copied \(TypeError: cannot pickle"):
        import_module(with_attribute(threading.Lock()), batch_of(1))
    with pytest.raises(ImportingError, match=r"'0\.weight' has no values yet: run the model once"):
        import_module(nn.Sequential(nn.LazyConv2d(4, 3)), batch_of(1))
    with torch.device("meta"):
        empty = nn.Sequential(nn.Conv2d(3, 4, 3))
    with pytest.raises(ImportingError, match="cannot be traced"):
        import_module(empty, batch_of(1))


@pytest.mark.parametrize("observer", ["min-max", "percentile", "mean-square-error"])
def test_values_that_overflow_inside_are_told_with_the_layers_name(observer: str) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1))
    for layer in (model[0], model[1]):
        nn.init.constant_(layer.weight, 1e30)  # type: ignore[arg-type]
    with pytest.raises(QuantizationError, match="layer '1': its values overflow"):
        openwork.quantize(model, torch.rand(8, 3, 6, 6), observer)
    with torch.no_grad():
        model.get_parameter("1.weight")[:, ::2] *= -1
    with pytest.raises(QuantizationError, match="layer '1': its values overflow"):
        openwork.quantize(model, torch.rand(8, 3, 6, 6), observer)
    with pytest.raises(QuantizationError, match="overflow"):
        openwork.quantize(nn.Sequential(nn.Conv2d(3, 4, 1)).double(), torch.rand(8, 3, 6, 6).double() * 1e200, observer)


def test_a_bias_beyond_all_accumulators_is_told() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU6())
    nn.init.constant_(model[0].bias, 1e30)  # type: ignore[arg-type]
    with pytest.raises(QuantizationError, match="overflows an accumulator"):
        openwork.quantize(model, torch.rand(8, 3, 6, 6))


def test_a_custom_operator_of_a_known_name_is_not_taken_for_pytorchs() -> None:
    @torch.library.custom_op("openwork_test::relu", mutates_args=())
    def other(values: torch.Tensor) -> torch.Tensor:
        return values * 3

    other.register_fake(torch.empty_like)
    with pytest.raises(
        ImportingError, match=r"openwork_test(::|\.)relu.*none of PyTorch's|not supported: openwork_test::relu"
    ):
        import_module(Written(lambda m, x: other(m.first(x))), batch_of(1))


def test_a_graph_that_lies_is_found_by_comparing() -> None:
    """PyTorch's tracer takes the value of a global for a constant; the second run of the model then differs."""
    calls: list[int] = []

    def function(self: Written, images: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        result: torch.Tensor = self.first(images) * len(calls)
        return result

    with pytest.raises(ImportingError, match=r"outputs are .* away from what was understood"):
        import_module(Written(function), batch_of(1))


@pytest.mark.parametrize("seeds", slow_but([range(10), range(10, 300)], range(10)))
def test_random_programs_full_of_aliases(seeds: range) -> None:
    taken = 0
    for seed in seeds:
        model, batch = AliasProgram(seed), batch_of(3)
        try:
            network = import_module(model, batch[:1])
        except ImportingError as error:
            assert "not supported" in str(error) or "cannot be traced" in str(error), model.story
        else:
            taken += 1
            assert agrees(model, network, batch), model.story
    assert taken >= len(seeds) // 4
