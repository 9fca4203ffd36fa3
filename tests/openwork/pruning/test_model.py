"""Pruning of a model."""

import threading
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from openwork.frontend import load
from openwork.pruning import PruningError, apply_masks, prune_model, threshold


def a_model() -> nn.Sequential:
    """Weights 1 to 36 in the convolution and 101 to 120 in the linear layer."""
    model = nn.Sequential(nn.Conv2d(2, 2, 3), nn.ReLU(), nn.Sequential(nn.Flatten(), nn.Linear(10, 2)))
    with torch.no_grad():
        model.get_parameter("0.weight").copy_(torch.arange(1.0, 37).reshape(2, 2, 3, 3))
        model.get_parameter("2.1.weight").copy_(-torch.arange(101.0, 121).reshape(2, 10))
    return model


def test_each_layer_gets_the_density() -> None:
    model = a_model()
    pruned = prune_model(model, 0.25)
    assert {name: int(mask.sum()) for name, mask in pruned.masks.items()} == {"0": 9, "2.1": 5}
    assert pruned.density == 14 / 56
    for name, mask in pruned.masks.items():
        assert torch.equal(pruned.model.get_parameter(f"{name}.weight") != 0, mask)
    assert "2.1" in str(pruned)


def test_the_model_it_is_given_stays() -> None:
    model = a_model()
    pruned = prune_model(model, 0.25)
    for name, tensor in a_model().state_dict().items():
        if name.endswith("weight"):
            assert torch.equal(model.state_dict()[name], tensor)
    assert pruned.model is not model


def test_global_ranks_all_weights_together() -> None:
    pruned = prune_model(a_model(), 0.5, scope="global")
    assert {name: int(mask.sum()) for name, mask in pruned.masks.items()} == {"0": 8, "2.1": 20}
    assert pruned.masks["0"].flatten()[-8:].all()


def test_other_methods_and_named_modules() -> None:
    pruned = prune_model(a_model(), 111.0, method=threshold, names=["2.1"])
    assert {name: int(mask.sum()) for name, mask in pruned.masks.items()} == {"2.1": 10}
    assert torch.equal(pruned.model.get_parameter("0.weight"), a_model().get_parameter("0.weight"))


def test_masks_hold_through_training() -> None:
    pruned = prune_model(a_model(), 0.25)
    with torch.no_grad():
        pruned.model.get_parameter("0.weight").add_(1.0)
    apply_masks(pruned.model, pruned.masks)
    assert torch.equal(pruned.model.get_parameter("0.weight") != 0, pruned.masks["0"])


def test_refusals_name_the_module() -> None:
    with pytest.raises(PruningError, match=r"modules \['1', 'x'\] cannot be pruned; those that can are \['0', '2.1'\]"):
        prune_model(a_model(), 0.5, names=["1", "0", "x"])
    with pytest.raises(PruningError, match="no convolution and no linear layer"):
        prune_model(nn.ReLU(), 0.5)
    with pytest.raises(PruningError, match="scope must be 'layer', 'global' or 'erk', not 'row'"):
        prune_model(a_model(), 0.5, scope="row")  # type: ignore[arg-type]  # what is tested
    for scope in ("layer", "global"):
        model = a_model()
        with torch.no_grad():
            model.get_parameter("2.1.weight")[0, 0] = float("nan")
        with pytest.raises(PruningError, match=r"module '2.1': 1 of the weights are NaN"):
            prune_model(model, 0.5, scope=scope)
        with pytest.raises(PruningError, match="module '0': density"):
            prune_model(a_model(), 1.5, scope=scope)


def masked() -> nn.Module:
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU())
    prune.l1_unstructured(model[0], "weight", 0.5)  # type: ignore[no-untyped-call]  # torch has no types here
    return model


@pytest.mark.parametrize(
    "make",
    [
        masked,
        lambda: nn.Sequential(nn.utils.weight_norm(nn.Conv2d(2, 4, 3))),
        lambda: nn.Sequential(nn.utils.spectral_norm(nn.Conv2d(2, 4, 3))),
        lambda: nn.Sequential(parametrizations.weight_norm(nn.Conv2d(2, 4, 3))),
    ],
)
def test_weights_that_are_computed_from_others_are_refused_by_name(make: Callable[[], nn.Module]) -> None:
    with pytest.raises(PruningError, match=r"module '0': its weights are computed .* with prune\.remove"):
        prune_model(make(), 0.5)


class Keeping(nn.Module):
    """Keeps its last activation, which PyTorch refuses to copy."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 4)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        self.last: torch.Tensor = self.layer(inputs)
        return self.last


def test_a_model_that_keeps_an_activation_is_pruned() -> None:
    model = Keeping()
    kept = model(torch.rand(2, 6))
    pruned = prune_model(model, 0.5)
    assert model.last is kept
    assert int((pruned.model.get_parameter("layer.weight") != 0).sum()) == 12
    assert pruned.export(torch.rand(3, 6)).state_dict["layer.weight"].shape == (4, 6)


def test_what_cannot_be_copied_is_told() -> None:
    model = a_model()
    model.lock = threading.Lock()  # type: ignore[assignment]
    with pytest.raises(PruningError, match="keeps something that cannot be copied"):
        prune_model(model, 0.5)
    with pytest.raises(PruningError, match="module '0': its weights have no values yet"):
        prune_model(nn.Sequential(nn.LazyLinear(3)), 0.5)


def test_a_weight_that_is_a_part_of_another_tensor_is_saved_alone(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(6, 4))
    model[0].weight = nn.Parameter(torch.randn(9, 6)[3:7])
    pruned = prune_model(model, 0.5)
    file = BytesIO()
    torch.export.save(pruned.export(torch.rand(3, 6)), file)
    path = tmp_path / "pruned.pt2"
    path.write_bytes(file.getvalue())
    batch = torch.rand(5, 6)
    assert torch.allclose(load(path, batch).run(batch).flatten(1), pruned.model(batch), atol=1e-6)
