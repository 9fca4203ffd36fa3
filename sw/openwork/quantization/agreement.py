"""Which tensors share a scale, and what scales make adding, averaging and copying exact."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from openwork.frontend import FloatNetwork, FloatStep
from openwork.quantization.errors import QuantizationError
from openwork.quantization.observers import Range
from openwork.quantization.scales import ActivationScale, activation_scale
from openwork.scales import WEIGHT_MAX, partner_scale

RESTARTS = 50


def sharing_groups(network: FloatNetwork) -> dict[str, int]:
    """For each tensor the number of its group; a group has one scale and zero point.

    Tensors that are concatenated share one, and so do those on both sides of a step that only picks pixels.
    """
    parents = {name: name for name in network.shapes}

    def root(name: str) -> str:
        while parents[name] != name:
            name = parents[name]
        return name

    def join(names: tuple[str, ...]) -> None:
        for name in names[1:]:
            parents[root(name)] = root(names[0])

    for names in network.groups:
        join(names)
    for step in network.steps:
        for names in step.sharing():
            join(names)
    numbers: dict[str, int] = {}
    return {name: numbers.setdefault(root(name), len(numbers)) for name in network.shapes}


def agree(network: FloatNetwork, ranges: Mapping[str, Range]) -> dict[str, ActivationScale]:
    """The scale of every tensor: at least as coarse as its group's range needs, at most a few percent coarser.

    Freedom within those percents is used up so that

    - a layer whose weights all have one size (an average, a copy) has weights that are whole numbers exactly;
    - so has the sum of two maps, wherever one of the two is not made yet when its scale is chosen;
    - so has what is added to the sums of a layer, in rows whose own weights leave it 64 or more.

    A scale that the model itself gives is used as it is for what a layer with weights of its own makes.

    Where a layer's weights are so large that a shift would be negative, its output's scale is raised until it is 0.

    Raises:
        QuantizationError: the scales of a group would have to be raised without end.
    """
    return _Agreement(network, ranges).decide()


@dataclass
class _Agreement:
    """Scales by group, while the steps are taken in order; starts again with a higher floor where one was too fine."""

    network: FloatNetwork
    ranges: Mapping[str, Range]
    groups: dict[str, int] = field(init=False)
    group_ranges: dict[int, Range] = field(init=False)
    given: set[int] = field(init=False)
    floors: dict[int, float] = field(default_factory=dict)
    scales: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.groups = sharing_groups(self.network)
        self.group_ranges = {}
        self.given = {self.groups[name] for name in self.network.given if name in self.groups}
        for name, group in self.groups.items():
            found = self.ranges[name]
            self.group_ranges[group] = self.group_ranges.get(group, found) | found

    def decide(self) -> dict[str, ActivationScale]:
        for _ in range(RESTARTS):
            group = self._pass()
            if group is None:
                return {
                    name: activation_scale(
                        self.group_ranges[group].low, self.group_ranges[group].high, self.scales[group]
                    )
                    for name, group in self.groups.items()
                }
        names = [name for name, number in self.groups.items() if number == group]
        raise QuantizationError(
            f"tensors {', '.join(map(repr, names))} share one scale, and weights above {WEIGHT_MAX} from one of them to "
            "another raise it without end: scale those weights down"
        )

    def _pass(self) -> int | None:
        """Choose all scales in order; the group whose floor had to be raised, if one's had."""
        self.scales = {}
        self._choose(self.groups[self.network.input], None)
        for step in self.network.steps:
            group = self.groups[step.output]
            if group not in self.scales:
                self._choose(group, step)
            needed = step.least_scale(self._scale)
            if self.scales[group] < needed * (1 - 1e-12):
                self.floors[group] = max(needed, self.floors.get(group, 0.0))
                return group
        return None

    def _scale(self, name: str) -> float:
        """Of a tensor whose scale is chosen."""
        return self.scales[self.groups[name]]

    def _choose(self, group: int, step: FloatStep | None) -> None:
        base = self._base(group)
        exact = None
        if step is not None:
            base = max(base, step.least_scale(self._scale))
            exact = step.exact_scale(base, self._scale)
        if exact is None:
            exact = base if group in self.given else self._for_adding(group, base)
        self.scales[group] = exact

    def _for_adding(self, group: int, base: float) -> float:
        """A scale of at least `base` that goes with the other side of the first sum that the group's tensors enter."""
        for step in self.network.steps:
            sides = [self.groups[name] for name in step.added]
            if group in sides and sides[0] != sides[1]:
                other = self._known(sides[1 - sides.index(group)])
                if other is None:
                    continue
                result = self.group_ranges[self.groups[step.output]]
                return partner_scale(other, base, activation_scale(result.low, result.high).scale)
        return base

    def _known(self, group: int) -> float | None:
        """A group's scale, or what it will be if a copy or an average of what is there makes it next."""
        if group in self.scales:
            return self.scales[group]
        step = next(step for step in self.network.steps if self.groups[step.output] == group)
        if step.uniform_size is None or self.groups[step.inputs[0]] not in self.scales:
            return None
        return step.exact_scale(max(self._base(group), step.least_scale(self._scale)), self._scale)

    def _base(self, group: int) -> float:
        found = self.group_ranges[group]
        return activation_scale(found.low, found.high, self.floors.get(group, 0.0)).scale
