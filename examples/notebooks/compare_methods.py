# %% [markdown]
# # Compare methods
#
# Which heatmaps point best? Here PYLON, CAM, Grad-CAM and LayerCAM look at the same images, and are judged by the
# same boxes, with intervals.
#
#     pip install "pylon-zoo[train]"
#
# Two classifiers are trained, a few seconds each, by the same loop on the same images: PYLON, whose heatmap is
# fine; and a plain network with average
# pooling (CAM), the kind that Grad-CAM is made for. Both see labels and never a box.

# %%
# !python draw_plates.py --out plates

# %%
import pylon_zoo as pz
import torch
from pylon_zoo.data import open_dataset
from pylon_zoo.data.sample import collate
from pylon_zoo.preprocessing import eval_transform
from torch.utils.data import DataLoader


def trained(name: str, epochs: int = 10, **options: object) -> torch.nn.Module:
    torch.manual_seed(0)
    train = open_dataset("coco:plates", "train", channels=1)
    model = pz.create_model(
        name, num_classes=len(train.classes), in_chans=1, img_size=96, **options
    )
    model.set_labels(train.classes)
    train.transform = eval_transform(model)
    (everything,) = DataLoader(train, len(train), collate_fn=collate)
    steps = epochs * len(train) // 16
    optimizer = torch.optim.AdamW(model.parameters(), 5e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps)
    for step in range(steps):
        chosen = torch.randint(len(train), (16,))
        images = everything.images[chosen].flip(
            [[], [2], [3], [2, 3]][step % 4]
        )  # mirrored all ways
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            model(images), everything.targets[chosen]
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


pylon = trained("pylon_test_resnet")
cam = trained("cam_test_resnet", pooling="avg")

# %% [markdown]
# ## The methods
#
# An attribution method takes a model's place wherever a heatmap is wanted. Grad-CAM looks at the last map of the
# network, 3 × 3 cells; LayerCAM is made for
# earlier, finer ones.

# %%
from pylon_zoo.attribution import AttributedClassifier

methods = {
    "PYLON": pylon,
    "CAM": cam,
    "Grad-CAM": AttributedClassifier(cam, "grad_cam"),
    "LayerCAM": AttributedClassifier(cam, "layer_cam", "encoder.model.layer2"),
}
pylon

# %%
methods["LayerCAM"]

# %% [markdown]
# ## Side by side
#
# One row for each image, one column for each method; the first column is the image. Each map is drawn on its own
# scale here, from its lowest to its highest
# value, because those of Grad-CAM and LayerCAM are no probabilities.

# %%
from PIL import Image

test = open_dataset("coco:plates", "test", channels=1)
both = [
    index for index, target in enumerate(test.targets().tolist()) if sum(target) == 2
][:3]
side = 150
sheet = Image.new("RGB", (side * (1 + len(methods)), side * len(both)))
for row, index in enumerate(both):
    image = test[index].image
    pictures = [Image.fromarray(image[0].numpy()).convert("RGB")]
    for method in methods.values():
        pictures.append(
            pz.explain(method, image, scaling="image").overlay("scratch", caption=False)
        )
    for column, picture in enumerate(pictures):
        sheet.paste(picture.resize((side, side)), (side * column, side * row))
print("scratch, by:", ", ".join(methods))
sheet

# %% [markdown]
# ## Measured
#
# - *AUROC*: does the score tell plates with from plates without? The last three share a classifier, so they share it.
# - *Point accuracy*: is the highest place of the map inside a true box?
# - *Energy*: which share of the map's positive values lies inside?
#
# In brackets, intervals that would hold the figure in 95 of 100 draws of such test images.

# %%
from pylon_zoo.evaluation import evaluate

found = {
    name: evaluate(method, test, bootstrap=500, metrics=["energy"])
    for name, method in methods.items()
}
print(f"{'':10}{'AUROC':22}{'point accuracy':22}energy")
for name, evaluation in found.items():
    figures = {
        "auroc": evaluation.auroc,
        "point_accuracy": evaluation.point_accuracy,
        "energy": evaluation.others["energy"],
    }
    cells = []
    for key, figure in figures.items():
        low, high = evaluation.intervals[key].macro
        cells.append(f"{figure.macro:.2f} ({low:.2f} to {high:.2f})")
    print(f"{name:10}" + "".join(f"{cell:22}" for cell in cells))
for control, results in found["PYLON"].controls.items():
    print(f"{control:10}{'':22}{results['point_accuracy'].macro:.2f}")

# %% [markdown]
# The last three lines are controls: a map of noise, one that always points at the middle, and one drawn from the
# boxes themselves.
#
# What to bear in mind:
#
# - One seed, tiny networks, drawn images: this shows how to compare, not which method wins. [What was
#   measured](../docs/experiments.md) on real images,
#   with several seeds, is in the documentation.
# - Grad-CAM at the last map of a network with average pooling *is* its CAM, up to a factor and the bias. Where
#   their figures differ, it is by ties: CAM's map is
#   judged as probabilities, which are all 1 in float32 from a logit of 17 on, and the first of equal places counts.
# - On a model with maximum pooling, gradients reach one cell alone. Compare attribution methods on a classifier
#   with average pooling, as here.
#
# The same for models and data of yours:
#
#     pylon-zoo evaluate --data coco:DIR --checkpoint run --out pylon
#     pylon-zoo evaluate --data coco:DIR --checkpoint run --method grad_cam --out grad-cam
