"""`CompileError`: how the compiler refuses a network."""

from openwork_hw.arch.refusal import Refusal


class CompileError(Refusal):
    """A network that this array cannot run. The message names the step, the need and the limit.

    Attributes:
        need: how many feature words per PE would be enough, if only feature memory is missing; otherwise 0.
    """

    def __init__(self, message: str, *, need: int = 0) -> None:
        super().__init__(message)
        self.need = need
