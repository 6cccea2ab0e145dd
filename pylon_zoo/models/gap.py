"""timm networks that average their last map and classify the average: their own classifier is a class activation map.

Linear layers and averages commute (Zhou et al. 2016), so the classifier applied to every cell gives heatmaps whose
average is the network's own logits. A layer normalisation between average and classifier (ConvNeXt, MetaFormer, …) is
linear too, once its standard deviation is taken from the averaged map.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from pylon_zoo.errors import ConfigError
from pylon_zoo.models.backbone import Backbone
from pylon_zoo.models.heads import ConvHead
from pylon_zoo.models.modes import evaluating
from pylon_zoo.models.timm_network import TimmNetwork, create_network

PROBE_SIZE = (64, 96)  # pixels, of the image the claim is tested with; networks of one size pad it
TOLERANCE = 1e-3  # of the range of the logits


class PooledNorm(nn.Module):
    """Layer normalisation of an average, spread over the cells: averaging the result gives the normalised average.

    Args:
        norm: timm's layer normalisation over channels.

    Example:
        >>> maps = torch.randn(2, 8, 3, 5)
        >>> spread = PooledNorm(nn.LayerNorm(8))(maps)
        >>> torch.allclose(spread.mean((2, 3)), nn.LayerNorm(8)(maps.mean((2, 3))), atol=1e-5)
        True
    """

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (N, C, h, w) to maps of that shape."""
        variance = maps.mean(dim=(2, 3), keepdim=True).var(dim=1, keepdim=True, unbiased=False)
        centred = maps - maps.mean(dim=1, keepdim=True)
        scale = self.weight.view(1, -1, 1, 1) * (variance + self.eps).rsqrt()
        return centred * scale + self.bias.view(1, -1, 1, 1)


class GapBackbone(Backbone):
    """A timm network up to its global average pooling, with what comes after it set apart.

    Its one map is what timm's `forward_features` gives: layers after the last feature level are part of it
    (EfficientNet's last convolution, DenseNet's last norm).

    Args:
        name, in_chans, pretrained, weights, img_size, encoder_kwargs: as for `Backbone`.

    Attributes:
        norm: the layer normalisation between average and classifier spread over the map, or `nn.Identity`.
        classifier: timm's own as a 1×1 convolution (channels → classes); `CamClassifier` takes both out of here.

    Raises:
        ConfigError: the network does not classify the average of its last map; tested on an image, so never assumed.
        UnknownNameError, WeightsError: as for `Backbone`.

    Example:
        >>> GapBackbone("test_resnet").classifier.weight.shape
        torch.Size([1000, 96, 1, 1])
    """

    is_whole_stages = False

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, **options, output_stride=None)

    def _build(self, name: str, in_chans: int, pretrained: bool, options: Mapping[str, Any]) -> TimmNetwork:
        return create_network(name, pretrained=pretrained, in_chans=in_chans, **self._classes(name), **options)

    def _classes(self, name: str) -> dict[str, int]:
        """What the classifier must be built for to take the weights that were given; nothing for timm's own."""
        if self._weights is None:
            return {}
        if (classes := self._weights.num_classes(name)) is None:
            raise ConfigError(
                f"The weights in {self._weights.where} hold no classifier of {name}. Give timm_classifier=False for a "
                "fresh head, or other weights."
            )
        return {"num_classes": classes}

    def _read_levels(self, output_stride: int | None) -> None:
        refused = ConfigError(
            f"timm's {self.name} does not classify the average of its last map with one linear layer, so its own "
            "classifier is no class activation map. Give timm_classifier=False for a fresh head, or use Grad-CAM "
            "(pylon_zoo.attribution) on the timm model."
        )
        classifier = self.model.get_classifier()
        info = getattr(self.model, "feature_info", None)
        if not isinstance(classifier, (nn.Linear, nn.Conv2d)) or not info:
            raise refused
        self.strides = [max(level["reduction"] for level in info)]
        self.channels = [classifier.weight.shape[1]]
        self._indices = [0]
        self.classifier = _as_head(classifier)
        self.norm: nn.Module = nn.Identity()
        with evaluating(self), torch.no_grad():
            expected, last = self._probe()
            if not isinstance(last, Tensor) or last.ndim != 4 or last.shape[1] != self.channels[0]:
                raise refused
            for norm in (nn.Identity(), *_norms(self.model, self.channels[0])):
                if _agrees(self.classifier, norm, last, expected):
                    self.norm = norm
                    self._drop_head()
                    return
        raise refused

    def detach_classifier(self) -> tuple[nn.Module, ConvHead]:
        """Hand `norm` and `classifier` over to the model that uses them; they are no longer part of this one."""
        parts = self.norm, self.classifier
        del self.norm, self.classifier
        return parts

    def _probe(self) -> tuple[Tensor, Tensor]:
        """The network's own logits of an image, and its last map as (N, C, h, w)."""
        height, width = self.padded_size(*PROBE_SIZE)
        images = torch.rand(2, self.in_chans, height, width, generator=torch.Generator().manual_seed(0)) - 0.5
        return self.model(images), self._maps(images)[0]

    def _maps(self, x: Tensor) -> list[Tensor]:
        maps = self.model.forward_features(x)
        if (
            isinstance(maps, Tensor)
            and maps.ndim == 4
            and maps.shape[1] != self.channels[0]
            and maps.shape[3] == self.channels[0]
        ):
            maps = maps.permute(0, 3, 1, 2)
        return [maps]

    def _drop_head(self) -> None:
        """Take out of the timm model what comes after the average: it lives on in `norm` and `classifier`."""
        for name in (_head_name(self.model), "fc_norm"):
            if isinstance(getattr(self.model, name, None), nn.Module):
                setattr(self.model, name, nn.Identity())


def _as_head(classifier: nn.Linear | nn.Conv2d) -> ConvHead:
    weight = classifier.weight.detach().flatten(1)
    head = ConvHead(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        head.weight.copy_(weight[..., None, None])
        if classifier.bias is not None:
            head.bias.copy_(classifier.bias)
    return head


def _head_name(model: TimmNetwork) -> str:
    """The child of a timm model that its classifier is, or is part of."""
    path: str | tuple[str, ...] = model.pretrained_cfg["classifier"]
    return (path if isinstance(path, str) else path[0]).partition(".")[0]


def _norms(model: TimmNetwork, channels: int) -> list[nn.Module]:
    """Layer normalisations that may stand between average and classifier: those in the head, and `fc_norm`."""
    head = getattr(model, _head_name(model), None)
    candidates = [*(head.modules() if isinstance(head, nn.Module) else ()), getattr(model, "fc_norm", None)]
    return [
        PooledNorm(layer)
        for layer in candidates
        if isinstance(layer, nn.LayerNorm) and layer.weight is not None and layer.weight.numel() == channels
    ]


def _agrees(classifier: nn.Module, norm: nn.Module, last: Tensor, expected: Tensor) -> bool:
    actual = classifier(norm(last)).mean(dim=(2, 3))
    return bool((actual - expected).abs().max() <= TOLERANCE * (expected.max() - expected.min()))
