"""Stage 1 of the compiler: every step of a network becomes a matrix, as rows of nonzeros (`openwork.operations.form`)."""

from dataclasses import dataclass, replace

from openwork.compiler.errors import CompileError
from openwork.network import IntegerNetwork
from openwork.operations import Step
from openwork.operations.form import Form, FormError
from openwork_hw.arch.commands import Operation


@dataclass(frozen=True, eq=False)
class Forms:
    """A network as rows of nonzeros.

    Attributes:
        network: the network.
        forms: the form of each step; None for a reshape, which only moves words.
        vectors: names of the tensors that are vectors. All other tensors are maps.
    """

    network: IntegerNetwork
    forms: tuple[Form | None, ...]
    vectors: frozenset[str]

    def __str__(self) -> str:
        lines = []
        for step, form in zip(self.network.steps, self.forms, strict=True):
            kind = "vector" if step.output in self.vectors else "map"
            rows = f"{len(form.offsets)} rows, {len(form.nonzeros.values)} nonzeros" if form else "moves only"
            lines.append(f"{step.output}: {kind}, {rows}")
        return "\n".join(lines)


def network_forms(network: IntegerNetwork) -> Forms:
    """The forms of all steps of a network.

    Raises:
        CompileError: a step has no form on this array.
    """
    vectors = {network.input.name} if network.input.shape[1:] == (1, 1) else set()
    forms: list[Form | None] = []
    for step in network.steps:
        kinds = {name in vectors for name in step.inputs}
        if len(kinds) > 1:
            raise CompileError(f"step {step.output!r} reads vectors and maps together: the array cannot")
        vector = kinds == {True}
        form = _form_of(network, step, vector)
        _, height, width = network.tensor(step.output).shape
        if form is None and vector and (height, width) == (1, 1):
            raise CompileError(f"step {step.output!r} turns a vector into itself: leave it out")
        if (height, width) == (1, 1) and (vector or form is None or form.moved or form.operation is Operation.POOL):
            vectors.add(step.output)
        if form is not None:  # along an axis with one output pixel, the stride has no effect
            form = replace(form, stride=(form.stride[0] if height > 1 else 1, form.stride[1] if width > 1 else 1))
        forms.append(form)
    return Forms(network, tuple(forms), frozenset(vectors))


def _form_of(network: IntegerNetwork, step: Step, vector: bool) -> Form | None:
    try:
        return step.form([network.tensor(name).shape[0] for name in step.inputs], vector=vector)
    except FormError as error:
        raise CompileError(str(error)) from None
