"""What a pruned model still says beside the dense model."""

import pytest
import torch
from torch import nn

from openwork.pruning import held_back, scored


class Fixed(nn.Module):
    """Gives the outputs that it was made with, for inputs that are their numbers."""

    def __init__(self, outputs: torch.Tensor) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.outputs[inputs.long().flatten()]


NUMBERS = torch.arange(4.0)[:, None]


def test_accuracy_is_the_share_of_right_labels() -> None:
    dense = Fixed(torch.eye(4))
    pruned = Fixed(torch.eye(4)[[0, 1, 3, 2]])
    score = scored(dense, pruned, NUMBERS, torch.tensor([0, 1, 2, 0]))
    assert (score.what, score.before, score.after, score.lost) == ("accuracy", 0.75, 0.5, 0.25)
    assert str(score) == "accuracy: 75.0% before, 50.0% after, on 4 inputs"
    score = scored(dense, pruned, NUMBERS)
    assert (score.what, score.before, score.after) == ("agreement with the dense model", 1.0, 0.5)


@pytest.mark.parametrize("shape", [(4, 1), (4, 2, 3, 3)])
def test_outputs_that_are_no_scores_are_compared_as_numbers(shape: tuple[int, ...]) -> None:
    """A single number has no largest output that could differ."""
    outputs = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    spread = (outputs - outputs.mean(dim=0)).double()
    wrong = outputs + 0.5 * spread.float()
    assert scored(Fixed(outputs), Fixed(wrong), NUMBERS).after == pytest.approx(0.75)
    assert scored(Fixed(outputs), Fixed(outputs), NUMBERS).after == 1.0
    assert scored(Fixed(outputs), Fixed(-9 * outputs), NUMBERS).after == 0.0
    constant = torch.ones(shape)
    assert scored(Fixed(constant), Fixed(constant), NUMBERS).after == 1.0
    assert scored(Fixed(constant), Fixed(2 * constant), NUMBERS).after == 0.0


def test_what_is_held_back_is_fitted_to_by_nobody() -> None:
    for count, expected in ((1, 0), (9, 0), (10, 2), (57, 11), (300, 60), (20_000, 1000)):
        fitted, held = held_back(count)
        assert sorted([*fitted.tolist(), *held.tolist()]) == list(range(count)) and len(held) == expected
        assert len(held_back(count, fits=False)[0]) == count
    assert len(held_back(20_001, fits=False)[1]) <= 1000
