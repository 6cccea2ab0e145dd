"""Batch normalisations folded into the convolutions they follow, in any network.

Which normalisation follows which convolution is seen, not guessed from names: the network runs once on a probe while
every operation is watched. A pair counts where all that a convolution ever gives goes into one normalisation, which
takes nothing else; pre-activation networks and shared maps keep theirs.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from timm.layers.norm_act import BatchNormAct2d
from timm.utils.model import reparameterize_model
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pylon_zoo.models.layers import BatchNorm2d

aten = torch.ops.aten
CONVOLUTIONS = (aten.conv2d, aten.convolution)
NORMS = (aten.batch_norm, aten.native_batch_norm, aten.cudnn_batch_norm, aten.miopen_batch_norm)
WEIGHT, RUNNING_MEAN = 1, 3  # their places among the arguments

# What is left of a layer without its normalisation. Types are compared exactly: a subclass may do more.
REMAINDERS: dict[type[nn.Module], Callable[[Any], nn.Module]] = {
    nn.BatchNorm2d: lambda norm: nn.Identity(),
    BatchNorm2d: lambda norm: nn.Identity(),
    BatchNormAct2d: lambda norm: nn.Sequential(norm.drop, norm.act),
}


def fold_norms(model: nn.Module, run: Callable[[], Any]) -> int:
    """Fold what can be folded, in place, timm's own re-parameterisation (RepVGG's branches and the like) included.

    Args:
        model: in evaluation mode.
        run: runs the model, all of it, on any input it takes.

    Returns:
        How many normalisations went into convolutions.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()).eval()
        >>> fold_norms(net, lambda: net(torch.zeros(1, 3, 8, 8))), net[1]
        (1, Identity())
    """
    with _default_dtype(next(model.parameters()).dtype):  # which timm makes the merged layers in
        reparameterize_model(model, inplace=True)
    pairs = find_pairs(model, run)
    paths = dict(model.named_modules(remove_duplicate=False))
    replacements: dict[nn.Module, nn.Module] = {}
    for conv, norm in pairs:
        replacements[conv] = fuse_conv_bn_eval(conv, norm)
        replacements[norm] = REMAINDERS[type(norm)](norm)
    for path, module in paths.items():
        if module in replacements:
            parent, _, name = path.rpartition(".")
            setattr(paths[parent], name, replacements[module])
    return len(pairs)


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def find_pairs(model: nn.Module, run: Callable[[], Any]) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """Convolutions of a model, each with the batch normalisation that alone takes what it gives."""
    with torch.no_grad(), _Watch() as watch:
        run()
    convs = _by_tensor(model, nn.Conv2d, "weight")
    norms = _by_tensor(model, nn.BatchNorm2d, "running_mean")
    takers: dict[int, set[int]] = defaultdict(set)  # a convolution's weight → running means behind it
    givers: dict[int, set[int]] = defaultdict(set)  # the other way round
    for output, weight in watch.convolved.items():
        # An output that anything besides one normalisation takes has no partner: 0 is no tensor's id.
        mean = watch.normed.get(output, 0) if watch.uses[output] == 1 else 0
        takers[weight].add(mean)
    for source, mean in watch.normed.items():
        givers[mean].add(watch.convolved.get(source, 0))
    return [
        (convs[weight], norms[mean])
        for weight, means in takers.items()
        for mean in means
        if len(means) == 1 and givers[mean] == {weight} and weight in convs and mean in norms
        if type(norms[mean]) in REMAINDERS
    ]


def _by_tensor(model: nn.Module, kind: type[nn.Module], name: str) -> dict[int, Any]:
    """Modules of a kind by the id of the tensor that tells them apart; those that share it are left out."""
    found: dict[int, list[nn.Module]] = defaultdict(list)
    for module in model.modules():
        if isinstance(module, kind) and (tensor := getattr(module, name)) is not None:
            found[id(tensor)].append(module)
    return {key: modules[0] for key, modules in found.items() if len(modules) == 1}


class _Watch(TorchDispatchMode):
    """Keeps who convolved, who normalised and how often each tensor was used, by the tensors' ids.

    Attributes:
        convolved: output of a convolution → its weight.
        normed: input of a batch normalisation → its running mean.
        uses: tensor → operations that took it.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's, which types only its ends
        self.convolved: dict[int, int] = {}
        self.normed: dict[int, int] = {}
        self.uses: Counter[int] = Counter()
        self._alive: list[Any] = []  # so that no id is given twice

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self._alive.append((args, kwargs, out))
        self.uses.update(id(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor))
        if func.overloadpacket in CONVOLUTIONS:
            self.convolved[id(out)] = id(args[WEIGHT])
        elif func.overloadpacket in NORMS:
            self.normed[id(args[0])] = id(args[RUNNING_MEAN])
        return out
