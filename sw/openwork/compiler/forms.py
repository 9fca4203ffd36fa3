"""Steps of a network as matrices; `openwork.operations.form` says what one is."""

from openwork.compiler.errors import CompileError
from openwork.network import IntegerNetwork
from openwork.operations import Step
from openwork.operations.form import COPY_SHIFT, COPY_WEIGHT, Form, FormError, Nonzeros, Tap, copies

__all__ = ["COPY_SHIFT", "COPY_WEIGHT", "Form", "Nonzeros", "Tap", "copies", "form_of"]


def form_of(network: IntegerNetwork, step: Step, *, vector: bool) -> Form | None:
    """The form of a step; None for a reshape, which only moves.

    Args:
        vector: its inputs are vectors, not maps of one pixel.

    Raises:
        CompileError: there is none.
    """
    try:
        return step.form([network.tensor(name).shape[0] for name in step.inputs], vector=vector)
    except FormError as error:
        raise CompileError(str(error)) from None
