"""The image that `openwork.compile` and `openwork.load_image` give: one that runs itself on any backend."""

from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openwork.backends import model_results, run
from openwork.image import Image


class RunnableImage(Image):
    """An image that knows what can run it. The image itself is data, and whatever runs it reads that."""

    @classmethod
    def of(cls, image: Image) -> "RunnableImage":
        """The same image."""
        return cls(*(getattr(image, field.name) for field in fields(image)))

    def run(self, inputs: Any, backend: str = "golden") -> NDArray[np.int8]:
        """The network's outputs, int8 [batch, channels, height, width], by one of `backends.BACKENDS`.

        Several results are flattened, and follow each other in [batch, values]; `network.split` takes them apart.

        Args:
            inputs: int8 as they are, or real numbers that are quantized first; [batch, channels, height, width] or
                [batch, features]; an array, a PyTorch tensor, or a list.

        Raises:
            NetworkError, BackendError: inputs that the network does not take, or a backend that cannot run here.
        """
        outcomes = run(self, self.network.integer_inputs(inputs), backend)
        return np.stack([self.network.joined(one.tensors) for one in outcomes])

    def answer(self, inputs: Any, backend: str = "golden") -> dict[str, NDArray[np.generic]]:
        """What the model gives, by the names of its results: real numbers, and what the host computes at the model's end.

        A model that gives one tensor has the result "output". The arguments are those of `run`.

        Raises:
            NetworkError, BackendError, LoadingError: as `run`; or the end of the model is not whole.
        """
        return model_results(self.network, self.run(inputs, backend))
