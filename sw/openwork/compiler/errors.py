"""What the compiler refuses."""

from openwork_hw.arch.refusal import Refusal


class CompileError(Refusal):
    """A network that this array cannot run; the message names the step, the need and the limit.

    Attributes:
        need: feature words per PE that would do, if only these are missing; else 0.
    """

    def __init__(self, message: str, *, need: int = 0) -> None:
        super().__init__(message)
        self.need = need
