from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from pylon_zoo import create_model, preprocess
from pylon_zoo.data.sample import Sample
from pylon_zoo.data.transforms import INTERPOLATIONS
from pylon_zoo.errors import ImageError
from pylon_zoo.models.names import list_backbones
from pylon_zoo.preprocessing import eval_transform


def test_size_channels_and_statistics_are_the_models():
    model = create_model("pylon_test_vit", num_classes=2, img_size=(48, 64))
    assert model.pretrained_cfg["input_size"] == (3, 48, 64)
    image = np.zeros((50, 40, 3), np.uint8)
    image[:] = (51, 102, 204)
    out = preprocess(model)(image)
    assert out.shape == (3, 48, 64)
    assert out.dtype == torch.float32
    mean, std = model.pretrained_cfg["mean"], model.pretrained_cfg["std"]
    for channel, value in enumerate((0.2, 0.4, 0.8)):
        expected = (value - mean[channel]) / std[channel]
        torch.testing.assert_close(out[channel], torch.full((48, 64), expected), rtol=1e-4, atol=1e-4)


def test_one_channel_takes_the_average_statistics():
    model = create_model("cam_regnetx_002", num_classes=2, in_chans=1)
    assert model.pretrained_cfg["mean"] == (pytest.approx((0.485 + 0.456 + 0.406) / 3, abs=1e-4),)
    assert model.pretrained_cfg["std"] == (pytest.approx((0.229 + 0.224 + 0.225) / 3, abs=1e-4),)
    out = preprocess(model)(np.full((30, 20), 255, np.uint8))
    assert out.shape == (1, 224, 224)
    torch.testing.assert_close(out, torch.full_like(out, (1 - 0.449) / 0.226), rtol=1e-4, atol=1e-4)


def test_grey_and_colour_are_converted():
    grey = create_model("pylon_test_vit", num_classes=2, in_chans=1, img_size=32)
    colour = create_model("pylon_test_vit", num_classes=2, img_size=32)
    red = np.zeros((40, 40, 3), np.uint8)
    red[..., 0] = 255
    luminance = preprocess(grey)(red) * grey.pretrained_cfg["std"][0] + grey.pretrained_cfg["mean"][0]
    torch.testing.assert_close(luminance, torch.full((1, 32, 32), 0.299), atol=0.005, rtol=0)
    repeated = preprocess(colour)(np.full((40, 40), 128, np.uint8))
    raw = repeated * torch.tensor(colour.pretrained_cfg["std"]).view(3, 1, 1)
    raw += torch.tensor(colour.pretrained_cfg["mean"]).view(3, 1, 1)
    torch.testing.assert_close(raw, torch.full((3, 32, 32), 128 / 255), atol=1e-4, rtol=0)


def test_an_image_is_the_same_from_everywhere(tmp_path: Path):
    array = np.random.default_rng(0).integers(0, 256, (60, 45, 3), np.uint8)
    Image.fromarray(array).save(tmp_path / "image.png")
    transform = preprocess(create_model("pylon_test_vit", num_classes=2, img_size=32))
    expected = transform(array)
    tensor = torch.from_numpy(array).permute(2, 0, 1)
    for source in (tmp_path / "image.png", str(tmp_path / "image.png"), Image.fromarray(array), tensor):
        torch.testing.assert_close(transform(source), expected)


def test_the_output_goes_into_the_model():
    for name, chans in (("pylon_test_vit", 3), ("cam_test_resnet", 1), ("pylon_test_vit_relpos", 3)):
        model = create_model(name, num_classes=2, in_chans=chans).eval()
        with torch.no_grad():
            assert model(preprocess(model)(np.zeros((70, 90), np.uint8))[None]).isfinite().all()


def test_a_broken_file_is_named(tmp_path: Path):
    (tmp_path / "broken.png").write_bytes(b"not an image")
    with pytest.raises(ImageError, match=r"broken\.png"):
        preprocess(create_model("pylon_test_vit", num_classes=2))(tmp_path / "broken.png")


def test_boxes_follow():
    transform = eval_transform(create_model("pylon_test_vit", num_classes=2, in_chans=1, img_size=(32, 64)))
    boxes = torch.tensor([[1.0, 10.0, 20.0, 30.0, 40.0]])  # of an image of 128 by 64 pixels
    out = transform(Sample(torch.zeros(1, 128, 64, dtype=torch.uint8), torch.zeros(2), boxes))
    assert out.image.shape == (1, 32, 64)
    torch.testing.assert_close(out.boxes, torch.tensor([[1.0, 10.0, 5.0, 30.0, 10.0]]))


def test_every_timm_interpolation_is_known():
    words = {timm.get_pretrained_cfg(name).interpolation for name in list_backbones()}
    assert words <= set(INTERPOLATIONS)
