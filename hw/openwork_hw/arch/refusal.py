"""`Refusal`, the base class of every error about what a user gave: one sentence that the user can act on."""


class Refusal(ValueError):
    """Something that the user gave cannot be used: a file, a model, data, an option, an array, a board, a tool.

    The message is one sentence about that thing: what was needed, what there is, what to do. The command line prints the
    sentence and ends with status 2. Every other exception is a bug in Openwork and keeps its traceback.

    >>> from openwork_hw.arch.config import ArrayConfig
    >>> try:
    ...     ArrayConfig(pes=0, lanes=4)
    ... except Refusal as refusal:
    ...     print(refusal)
    pes must be a whole number from 1 to 255, not 0
    """
