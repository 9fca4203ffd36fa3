"""Pruning of a model."""

import pytest
import torch
from torch import nn

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
