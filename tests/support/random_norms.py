"""Batch normalisations that do something."""

from __future__ import annotations

from torch import nn


def randomize_norms(model: nn.Module) -> nn.Module:
    """Give every batch normalisation statistics and weights of its own; gives the model back, in evaluation mode."""
    for layer in model.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            if layer.track_running_stats:
                layer.running_mean.uniform_(-0.5, 0.5)
                layer.running_var.uniform_(0.5, 2)
            if layer.affine:
                nn.init.uniform_(layer.weight, 0.5, 1.5)
                nn.init.uniform_(layer.bias, -0.5, 0.5)
    return model.eval()
