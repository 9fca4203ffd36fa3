"""What the front end refuses."""

from openwork_hw.arch.refusal import Refusal


class ImportingError(Refusal):
    """A model that the front end cannot take; the message names each operator and its place in the model's source."""
