"""How figures name methods, as their papers write them."""

from __future__ import annotations

from collections.abc import Sequence

from pylon_zoo.figures.recipe import OWN, ColumnSection

TITLES = {
    "cam": "CAM",
    "deeplabv3plus": "DeepLabV3+",
    "fpn": "FPN",
    "li2018": "Li et al. 2018",
    "pan": "PAN",
    "pylon": "PYLON",
    "unet": "U-Net",
    "ablation_cam": "Ablation-CAM",
    "eigen_cam": "Eigen-CAM",
    "full_grad": "FullGrad",
    "grad_cam": "Grad-CAM",
    "grad_cam++": "Grad-CAM++",
    "hires_cam": "HiResCAM",
    "layer_cam": "LayerCAM",
    "refine_cam": "RefineCAM",
    "score_cam": "Score-CAM",
    "xgrad_cam": "XGrad-CAM",
}
"""Method of a model's name, or attribution method → its title."""


def column_titles(columns: Sequence[ColumnSection], architectures: Sequence[str]) -> list[str]:
    """What stands above columns: their own names, else the method's; where two would be alike, with the model's.

    Args:
        columns: of the recipe.
        architectures: of their models.

    Example:
        >>> one, other = ColumnSection(model="pylon_resnet18.a"), ColumnSection(model="pylon_resnet18.b")
        >>> column_titles([one, ColumnSection(model="pylon_resnet18.a", method="grad_cam")], ["pylon_resnet18"] * 2)
        ['PYLON', 'Grad-CAM']
        >>> column_titles([one, other], ["pylon_resnet18"] * 2)
        ['PYLON, pylon_resnet18.a', 'PYLON, pylon_resnet18.b']
    """
    plain = [
        TITLES.get(architecture.partition("_")[0] if column.method == OWN else column.method, column.method)
        for column, architecture in zip(columns, architectures, strict=True)
    ]
    return [
        column.name or (title if plain.count(title) == 1 else f"{title}, {column.model or column.checkpoint}")
        for column, title in zip(columns, plain, strict=True)
    ]
