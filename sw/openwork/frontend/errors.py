"""`ImportingError`: how the front end refuses a model."""

from openwork_hw.arch.refusal import Refusal


class ImportingError(Refusal):
    """A model that the front end cannot take. The message names each operator and its place in the model's source."""
