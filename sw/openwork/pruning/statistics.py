"""What pruning did to the statistics of a model's maps, and how to undo it without training."""

import torch
from torch import nn

BATCH = 50


def reestimate_norms(model: nn.Module, inputs: torch.Tensor) -> None:
    """Measure the mean and variance of every batch norm again, in place: the plain average over all batches of `inputs`.

    Args:
        model: is in eval mode afterwards.
        inputs: float [inputs, ...], like what the model will see.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain average
        norm.train()
    with torch.no_grad():
        for batch in torch.split(inputs, BATCH):
            model(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.eval()
