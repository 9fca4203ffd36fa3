"""The training loop: checkpoints, refusals, and what it leaves."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
import torch
from torch import nn

from openwork.pruning import Pruner, PruningError, Recipe, fit, gradual, prune_model
from openwork.pruning.fitting import distance

RECIPE = Recipe(epochs=3, rate=0.05, batch=8)


def a_model(seed: int = 1) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(96, 5))


INPUTS = torch.randn(50, 1, 4, 4, generator=torch.Generator().manual_seed(2))
LABELS = torch.randint(0, 5, (50,), generator=torch.Generator().manual_seed(3))


class Stop(Exception):
    """Somebody pressed Ctrl-C."""


def pruned(model: nn.Module) -> Pruner:
    return gradual(model, 0.3, steps=9, every=2)


@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_an_interrupted_training_ends_with_the_same_weights(tmp_path: Path, epoch: int) -> None:
    whole, half = a_model(), a_model()
    fit(whole, INPUTS, LABELS, RECIPE, pruner=pruned(whole))

    def until(steps: Sequence[int], title: str) -> Iterable[int]:
        for step in steps:
            if title.startswith(f"epoch {epoch + 1}") and step == 3:
                raise Stop
            yield step

    with pytest.raises(Stop):
        fit(half, INPUTS, LABELS, RECIPE, pruner=pruned(half), checkpoint=tmp_path / "c.pt", progress=until)
    again = a_model(seed=9 if epoch else 1)  # all comes from the checkpoint, where there is one
    pruner = pruned(again)
    fit(again, INPUTS, LABELS, RECIPE, pruner=pruner, checkpoint=tmp_path / "c.pt")
    assert pruner.finish().density == pytest.approx(0.3, abs=0.01)
    for (name, one), other in zip(whole.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(one, other), name
    assert [path.name for path in tmp_path.iterdir()] == ["c.pt"]


def test_masks_are_kept_and_the_model_learns() -> None:
    model = prune_model(a_model(), 0.4)
    before = nn.functional.cross_entropy(model.model(INPUTS), LABELS).item()
    fit(model.model, INPUTS, LABELS, Recipe(epochs=10, rate=0.05, batch=10), masks=model.masks)
    for name, mask in model.masks.items():
        assert not model.model.get_parameter(f"{name}.weight")[~mask].any()
    assert nn.functional.cross_entropy(model.model(INPUTS), LABELS).item() < 0.7 * before
    assert not model.model.training


def test_a_teacher_can_stand_in_for_labels() -> None:
    teacher, student = a_model(4).eval(), a_model(5)
    before = distance(student.eval()(INPUTS), teacher(INPUTS), 4.0).item()
    fit(student.train(), INPUTS, None, Recipe(epochs=20, rate=0.02, batch=10), teacher=teacher)
    assert distance(student(INPUTS), teacher(INPUTS), 4.0).item() < 0.3 * before


def test_the_rate_rises_and_falls() -> None:
    rates = [RECIPE.rate_at(step, 100) for step in range(100)]
    assert max(rates) == RECIPE.rate and rates.index(max(rates)) == 4
    assert rates[:5] == sorted(rates[:5]) and rates[5:] == sorted(rates[5:], reverse=True) and rates[-1] < 1e-4


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (LABELS - 1, "labels must be from 0 to 4, since the model has 5 outputs, not from -1 to 3"),
        (LABELS + 1, "not from 1 to 5"),
        (LABELS[:20], r"labels must be int64 \[50\], one for each input, not torch.int64 \[20\]"),
        (LABELS.int(), r"labels must be int64 \[50\]"),
        (LABELS[:, None], r"labels must be int64 \[50\]"),
    ],
)
def test_labels_outside_the_classes_are_refused(labels: torch.Tensor, reason: str) -> None:
    with pytest.raises(PruningError, match=reason):
        fit(a_model(), INPUTS, labels, RECIPE)


def test_every_seed_is_one() -> None:
    for seed in (0, 1 << 45, (1 << 63) - 1):
        fit(a_model(), INPUTS, LABELS, Recipe(epochs=1, rate=0.05, batch=8, seed=seed))


def test_refusals_are_sentences(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    with pytest.raises(PruningError, match="training needs labels or a teacher"):
        fit(a_model(), INPUTS, None, RECIPE)
    with pytest.raises(PruningError, match="there are 5 inputs for batches of 8"):
        fit(a_model(), INPUTS[:5], LABELS[:5], RECIPE)
    with pytest.raises(PruningError, match="the loss is nan in epoch 1, step 1: lower the learning rate"):
        fit(a_model(), INPUTS * float("nan"), LABELS, RECIPE, checkpoint=path)
    assert not path.exists()
    for wrong in ({"epochs": 0}, {"rate": 0.0}, {"batch": 1}, {"teaching": 1.1}, {"temperature": 0.0}):
        with pytest.raises(PruningError, match="epochs are 1 or more, a batch 2 or more"):
            Recipe(**{"epochs": 1, "rate": 0.1, **wrong})  # type: ignore[arg-type]  # that is the point
    fit(a_model(), INPUTS, LABELS, RECIPE, checkpoint=path)
    with pytest.raises(PruningError, match="is the checkpoint of another training"):
        fit(a_model(), INPUTS, LABELS, Recipe(epochs=4, rate=0.05, batch=8), checkpoint=path)
    with pytest.raises(PruningError, match="is the checkpoint of another training"):
        model = a_model()
        fit(model, INPUTS, LABELS, RECIPE, pruner=pruned(model), checkpoint=path)
    other = prune_model(a_model(), 0.4)
    with pytest.raises(PruningError, match="is the checkpoint of another training: module '0' has other masks"):
        fit(other.model, INPUTS, LABELS, RECIPE, masks=other.masks, checkpoint=path)
    wider = nn.Sequential(nn.Conv2d(1, 7, 3, padding=1), nn.Flatten(), nn.Linear(112, 5))
    with pytest.raises(PruningError, match="is the checkpoint of another model"):
        fit(wider, INPUTS, LABELS, RECIPE, checkpoint=path)
    whole = path.read_bytes()
    for wrong_state in ([1, 2], {"recipe": 1}, torch.zeros(3), torch.load(path, weights_only=True) | {"epoch": "two"}):
        torch.save(wrong_state, path)
        with pytest.raises(PruningError, match="is not a whole checkpoint: "):
            fit(a_model(), INPUTS, LABELS, RECIPE, checkpoint=path)
    path.write_bytes(whole[:900])
    with pytest.raises(PruningError, match="is not a whole checkpoint: "):
        fit(a_model(), INPUTS, LABELS, RECIPE, checkpoint=path)
