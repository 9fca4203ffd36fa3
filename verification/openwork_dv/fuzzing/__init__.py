"""Files that say something wrong under checksums that are right, by the hundred thousand: refused, or taken as they say."""

from openwork_dv.fuzzing.campaign import Counts, FuzzError, fuzz
from openwork_dv.fuzzing.formats import FORMATS, Format

__all__ = ["FORMATS", "Counts", "Format", "FuzzError", "fuzz"]
