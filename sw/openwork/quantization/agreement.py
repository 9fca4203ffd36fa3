"""Which tensors share a scale, and what scales make adding, averaging and copying exact."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil, floor, frexp, ldexp

from openwork.frontend import FloatAdd, FloatJoin, FloatLayer, FloatNetwork
from openwork.quantization.errors import QuantizationError
from openwork.quantization.observers import Range
from openwork.quantization.scales import WEIGHT_MAX, ActivationScale, activation_scale

LARGEST = WEIGHT_MAX - 1
"""Of the weights that are planned here: one less than there is, so that no shift hangs on the last bit of a quotient."""

TYPICAL = 32.0
"""Integer size of an activation that a wrong factor is weighed with."""

EXACT = 1e-9
"""A weight this near to a whole number is one: what lies between is rounding of floating point numbers."""

COARSER = 1.25
"""So much coarser a scale may be to be exact."""

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

    join(network.outputs)
    for step in network.steps:
        if isinstance(step, FloatAdd):
            join(step.inputs[: step.parts])
            join(step.inputs[step.parts :])
        elif isinstance(step, FloatJoin):
            join(step.layer.inputs)
            join(step.skip)
        elif isinstance(step, FloatLayer):
            join(step.inputs)
        else:
            join((*step.inputs, step.output))
    numbers: dict[str, int] = {}
    return {name: numbers.setdefault(root(name), len(numbers)) for name in network.shapes}


def agree(network: FloatNetwork, ranges: Mapping[str, Range]) -> dict[str, ActivationScale]:
    """The scale of every tensor: at least as coarse as its group's range needs, at most a few percent coarser.

    Freedom within those percents is used up so that

    - a layer whose weights all have one size (an average, a copy) has weights that are whole numbers exactly;
    - so has the sum of two maps, wherever one of the two is not made yet when its scale is chosen;
    - so has what is added to the sums of a layer, in rows whose own weights leave it 64 or more.

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
    floors: dict[int, float] = field(default_factory=dict)
    scales: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.groups = sharing_groups(self.network)
        self.group_ranges = {}
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
            if not isinstance(step, FloatLayer | FloatAdd | FloatJoin):
                continue
            group = self.groups[step.output]
            if group not in self.scales:
                self._choose(group, step)
            needed = self._least(step)
            if self.scales[group] < needed * (1 - 1e-12):
                self.floors[group] = max(needed, self.floors.get(group, 0.0))
                return group
        return None

    def _choose(self, group: int, step: FloatLayer | FloatAdd | FloatJoin | None) -> None:
        base = self._base(group)
        if step is not None:
            base = max(base, self._least(step))
        if isinstance(step, FloatAdd):
            first, second = (self.scales[self.groups[name]] for name in (step.inputs[0], step.inputs[-1]))
            self.scales[group] = adding_scale(first, second, base)
            return
        if isinstance(step, FloatJoin):
            self.scales[group] = scaling_scale(self.scales[self.groups[step.skip[0]]], base)
            return
        if isinstance(step, FloatLayer) and (size := uniform_size(step)) is not None:
            self.scales[group] = self._scaling(group, size, step)
            return
        self.scales[group] = self._for_adding(group, base)

    def _for_adding(self, group: int, base: float) -> float:
        """A scale of at least `base` that goes with the other side of the first sum that the group's tensors enter."""
        for step in self.network.steps:
            if isinstance(step, FloatAdd):
                sides = [self.groups[step.inputs[0]], self.groups[step.inputs[-1]]]
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
        if not isinstance(step, FloatLayer) or self.groups[step.inputs[0]] not in self.scales:
            return None
        size = uniform_size(step)
        return None if size is None else self._scaling(group, size, step)

    def _scaling(self, group: int, size: float, step: FloatLayer) -> float:
        return scaling_scale(size * self.scales[self.groups[step.inputs[0]]], max(self._base(group), self._least(step)))

    def _base(self, group: int) -> float:
        found = self.group_ranges[group]
        return activation_scale(found.low, found.high, self.floors.get(group, 0.0)).scale

    def _least(self, step: FloatLayer | FloatAdd | FloatJoin) -> float:
        """The finest output scale with which no shift of a step's rows is negative."""
        if isinstance(step, FloatAdd):
            return max(self.scales[self.groups[name]] for name in step.inputs) / LARGEST
        if isinstance(step, FloatJoin):
            return max(self._least(step.layer), self.scales[self.groups[step.skip[0]]] / LARGEST)
        return self.scales[self.groups[step.inputs[0]]] * float(step.weights.abs().max()) / WEIGHT_MAX


def uniform_size(step: FloatLayer) -> float | None:
    """The size of all a layer's weights that are not 0, if that is one."""
    sizes = step.weights[step.weights != 0].abs()
    return float(sizes[0]) if sizes.numel() and bool((sizes == sizes[0]).all()) else None


def scaling_scale(source: float, base: float) -> float:
    """The finest scale of at least `base` for which `source` is a whole number of its 2 ** -shift, up to LARGEST.

    >>> scaling_scale(1.0, 1.0), scaling_scale(1.0, 1.01)       # 64 / 64; 64 / 63
    (1.0, 1.0158730158730158)
    """
    return min(_power_of_two_above(base * weight / source) * source / weight for weight in range(64, LARGEST + 1))


def adding_scale(first: float, second: float, base: float) -> float:
    """The scale of at least `base` for the sum of maps of two scales: the finest for which both weights are whole numbers,
    or, if that is none or much coarser than others, the one that rounding the weights harms least.

    >>> adding_scale(1.0, 0.75, 1.4), 128 / 88        # and 0.75 is 66 / 88
    (1.4545454545454546, 1.4545454545454546)
    """
    large, small = max(first, second), min(first, second)
    finest = exact = best = float("inf")
    least = float("inf")
    for weight in range(64, LARGEST + 1):
        result = _power_of_two_above(base * weight / large) * large / weight
        other = weight * small / large
        wrong = abs(floor(other + 0.5) / other - 1)
        finest = min(finest, result)
        if wrong < EXACT:
            exact = min(exact, result)
        harm = result**2 / 12 + (wrong * TYPICAL * small) ** 2
        if harm < least:
            best, least = result, harm
    return exact if exact <= COARSER * finest else best


def partner_scale(other: float, base: float, result: float) -> float:
    """The scale of at least `base` for one side of a sum, so that both weights are whole numbers and neither it nor the
    result, of at least the scale `result`, is much coarser."""
    best, least = base, float("inf")
    for weight in range(1, LARGEST + 1):
        mine = max(1, ceil(base / other * weight * (1 - 1e-12)))
        if mine > LARGEST or max(mine, weight) < 64:
            continue
        scale = other * mine / weight
        harm = scale**2 + (_power_of_two_above(result * weight / other) * other / weight) ** 2
        if harm < least:
            best, least = scale, harm
    return best


def _power_of_two_above(value: float) -> float:
    """The least power of two of at least `value`, and of at least 1: shifts are not negative.

    >>> [_power_of_two_above(value) for value in (0.3, 4.0, 4.1)]
    [1.0, 4.0, 8.0]
    """
    mantissa, exponent = frexp(value * (1 - 1e-12))
    return ldexp(1.0, max(0, exponent if mantissa > 0.5 else exponent - 1))
