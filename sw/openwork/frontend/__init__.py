"""The front end turns a PyTorch model into a float network: `load`, `import_module`, `import_program`."""

from openwork.frontend.errors import ImportingError
from openwork.frontend.float_network import FloatNetwork
from openwork.frontend.float_steps import FloatAdd, FloatFunction, FloatJoin, FloatLayer, FloatStep
from openwork.frontend.importer import import_module, import_program
from openwork.frontend.loading import load
from openwork.frontend.model_files import LoadingError

__all__ = [
    "FloatAdd",
    "FloatFunction",
    "FloatJoin",
    "FloatLayer",
    "FloatNetwork",
    "FloatStep",
    "ImportingError",
    "LoadingError",
    "import_module",
    "import_program",
    "load",
]
