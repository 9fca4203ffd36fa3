"""The command that exports a PyTorch model into a file that all other commands read."""

from pathlib import Path
from typing import Annotated

import typer

from openwork.cli.checks import OptionError, check_files, check_real
from openwork.cli.terminal import app, say, working
from openwork.recipes import recipe


@app.command()
def export(
    model: Annotated[str, typer.Argument(help="package.module:function; the function returns (model, example input).")],
    out: Annotated[Path, typer.Option("--output", "-o", help="The .pt2 file to write.")],
    example: Annotated[
        Path | None,
        typer.Option(
            help=".npy file of inputs, the batch in front: its first input is the example. For a function that returns the "
            "model alone."
        ),
    ] = None,
) -> None:
    """Export a PyTorch model into a .pt2 file, which quantize and prune read, and print the two lines of torch that do it.

    Python looks for the module in the working directory first. For example:

      openwork export my_models:trained -o model.pt2

      openwork export my_models:trained --example images.npy -o model.pt2

    where my_models.py has

      def trained():
          model = Net()
          model.load_state_dict(torch.load("net.pth", weights_only=True))
          return model, torch.zeros(1, 3, 32, 32)
    """
    if sentence := recipe(model):
        raise OptionError(sentence)
    if ":" not in model or not all(part for part in model.rpartition(":")):
        raise OptionError(f"a model to export is package.module:function, not {model or 'an empty name'}")
    check_files((example,), (out,))
    if out.suffix != ".pt2":
        raise OptionError(f"{out} must have a name that ends in .pt2: other commands know exported models by this end")

    from openwork.files import read_array, write_whole

    array = None if example is None else read_array(example)
    if array is not None and example is not None:
        check_real(example, array)

    import torch

    from openwork.frontend.exporting import LINES, exported

    first = None if array is None else torch.from_numpy(array[:1]).float()
    with working(f"Exporting {model}"):
        content, shape = exported(model, first)
    write_whole(out, content)
    say(LINES.format(path=str(out)))
    size = f"{len(content) / 1024:,.0f} KiB"
    say(f"{out}: {size}, inputs {list(shape)}.")
