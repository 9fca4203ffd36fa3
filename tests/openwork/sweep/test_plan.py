"""Plans of sweeps, from a file and from options."""

from pathlib import Path

import pytest

from openwork.files import FileError
from openwork.sweep import ModelChoice, SweepError, SweepPlan, read_plan
from openwork.sweep.plan import with_options

PLAN = """
models = ["net.pt2", { model = "models:small", data = "other.npy" }]
data = "x.npy"
labels = "y.npy"
densities = [0.5, 0.25]
methods = ["obc", "magnitude"]
arrays = ["16x8"]
boards = ["ulx3s-85f"]
rate = 1
"""


def test_a_plan_is_read_and_its_paths_count_from_its_folder(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(PLAN)
    plan = read_plan(tmp_path / "plan.toml").checked()
    assert plan.models == (
        ModelChoice(str(tmp_path / "net.pt2"), str(tmp_path / "x.npy"), str(tmp_path / "y.npy")),
        ModelChoice("models:small", str(tmp_path / "other.npy"), str(tmp_path / "y.npy")),
    )
    assert (plan.rate, plan.epochs, plan.encodings) == (1.0, 0, ())
    found = [(model.model.rpartition("/")[2], method, level) for model, method, level in plan.networks]
    pairs = [("dense", 1.0), ("obc", 0.5), ("obc", 0.25), ("magnitude", 0.5), ("magnitude", 0.25)]
    assert found == [(name, *pair) for name in ("net.pt2", "models:small") for pair in pairs]


def test_options_take_the_place_of_entries(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(PLAN)
    plan = with_options(
        read_plan(tmp_path / "plan.toml"), ["models:small"], {"data": "z.npy", "labels": ""}, methods=("obc",), epochs=3
    )
    assert plan.models == (ModelChoice("models:small", "z.npy", str(tmp_path / "y.npy")),)
    assert (plan.methods, plan.epochs, plan.densities) == (("obc",), 3, (0.5, 0.25))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("models = [", "is no TOML file"),
        ("model = ['a']", "has the entry 'model': a plan may have arrays, boards"),
        ("models = []", "models must be a list with at least one entry"),
        ("models = [3]", "each of models is a name, or a table"),
        ("models = [{data = 'x'}]", "each of models is a name, or a table"),
        ('models = ["a\\u001b"]', "model must be text"),
        ("densities = ['half']", "densities must be a number, not 'half'"),
        ("densities = [true]", "densities must be a number, not True"),
        ("epochs = 1.5", "epochs must be a whole number from 0 on"),
        ("seed = -1", "seed must be a whole number from 0 on"),
        ("methods = 'obc'", "methods must be a list"),
        ("boards = [1]", "boards must be text"),
        ("data = 1", "data must be text"),
    ],
)
def test_entries_that_mean_nothing_are_refused(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "plan.toml").write_text(text)
    with pytest.raises((SweepError, FileError), match=sentence):
        read_plan(tmp_path / "plan.toml")


MODEL = (ModelChoice("models:small", "x.npy"),)


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        (SweepPlan(), "a sweep needs a model"),
        (SweepPlan(MODEL), "a sweep needs an array or a board"),
        (SweepPlan((ModelChoice("models:small"),), arrays=("demo",)), "needs inputs: name them with --data"),
        (SweepPlan(MODEL, (0.5, 0.5), arrays=("demo",)), "densities has an entry twice: 0.5, 0.5"),
        (SweepPlan(MODEL, (0.0,), arrays=("demo",)), "each density must be over 0 and at most 1, not 0.0"),
        (SweepPlan((ModelChoice("a:b", "x.npy", test_labels="y.npy"),), arrays=("demo",)), "labels of no inputs"),
        (
            SweepPlan(MODEL, tuple(one / 2000 for one in range(1, 1001)), arrays=tuple(f"{one}x1" for one in range(1, 200))),
            "the sweep has 199,199 points, and the limit is 100,000",
        ),
    ],
)  # fmt: skip
def test_plans_that_mean_nothing_are_refused(plan: SweepPlan, sentence: str) -> None:
    with pytest.raises(SweepError, match=sentence):
        plan.checked()
