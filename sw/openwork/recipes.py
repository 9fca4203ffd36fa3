"""What to do with a model in a file that Openwork does not read: a sentence for each kind of file."""

from pathlib import Path

EXPORT = (
    "write a function that returns (model, example input), and run openwork export module:function -o model.pt2, which gives a "
    "file that Openwork reads"
)

WEIGHTS = (
    "{path} holds weights, or a program that only its own classes can read: build the model in Python, load the weights "
    "with model.load_state_dict(torch.load({path!r}, weights_only=True)), " + EXPORT
)

TENSORFLOW = (
    "{path} is a model of TensorFlow, and Openwork takes models of PyTorch in real numbers: build the same layers in "
    "PyTorch, copy the weights, " + EXPORT
)

RECIPES = {
    **dict.fromkeys((".pth", ".pt", ".ckpt", ".safetensors"), WEIGHTS),
    **dict.fromkeys((".tflite", ".h5", ".keras", ".pb"), TENSORFLOW),
}
"""Sentences by the ends of names."""


def recipe(name: str) -> str | None:
    """The sentence for a file of this name; None if the name has no such end.

    >>> recipe("model.pt2"), recipe("models.small:trained"), (recipe("net.tflite") or "")[:33]
    (None, None, 'net.tflite is a model of TensorFl')
    """
    found = RECIPES.get(Path(name).suffix.lower())
    return found.format(path=name) if found and ":" not in name else None
