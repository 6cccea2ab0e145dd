# %% [markdown]
# # Your own images
#
# From a folder of images with labels to a model that says what is there and where. Boxes are not needed: the model
# learns from labels alone.
#
#     pip install "pylon-zoo[train]"
#
# Lines that begin with `!` are commands; type them in a terminal without the `!`.
#
# ## 1. The images
#
# So that this notebook runs anywhere, it draws 304 metal plates, some with a scratch, some with a dent
# (`draw_plates.py`, beside this notebook).
# Take your own instead: a [COCO-style folder](../docs/own-data.md), a folder for each class (`folders:DIR`), a CSV
# table;
# [all that is read](../docs/datasets.md).

# %%
# !python draw_plates.py --out plates

# %%
from pathlib import Path

from PIL import Image

plates = sorted(Path("plates/train").glob("*.png"))
sheet = Image.new("L", (6 * 100, 100))
for column, path in enumerate(plates[:6]):
    sheet.paste(Image.open(path), (100 * column, 0))
sheet

# %% [markdown]
# ## 2. Is everything readable?
#
# `data check` reads every image, counts labels and boxes, and names each problem with its file.

# %%
# !pylon-zoo data check coco:plates

# %% [markdown]
# ## 3. Train
#
# Without a recipe, the command looks at the images, chooses every setting and says why. This is PYLON on the
# smallest backbone of timm, from scratch, for a
# third of a minute. For images of yours, give it a backbone that knows something, `--model
# pylon_tf_efficientnet_lite0`, and half an hour.
#
# `--orientation any`, because a plate has no up. The boxes are not looked at, except to say at the end how well the
# maps point.

# %%
# !pylon-zoo train --data coco:plates --model pylon_test_resnet --orientation any --minutes 0.3 --out run

# %% [markdown]
# ## 4. The report
#
# `run/report.html` has the learning curves, AUROC and point accuracy with their intervals, controls, and the best
# and the worst maps of each class. It is one file;
# send it to whom you like.

# %%
from IPython.display import IFrame

IFrame("run/report.html", width="100%", height=500)

# %% [markdown]
# ## 5. Look at new images
#
# The folder of the run is a checkpoint: labels and everything about the input come with the weights.

# %%
import pylon_zoo as pz

model = pz.create_model("pylon_test_resnet", "local-dir:run")
model

# %%
explanations = [
    pz.explain(model, path) for path in sorted(Path("plates/test").glob("*.png"))[:8]
]
max(explanations, key=lambda explanation: explanation.ranking()[0][1])

# %% [markdown]
# Many images at once are one command. Without images it takes ten that validated the run; `run/explained/report.html`
# shows them, `run/explained/results.json` has the numbers.

# %%
# !pylon-zoo explain --checkpoint run --quiet

# %% [markdown]
# ## 6. Judge it on images that chose nothing
#
# The validation images chose the best epoch. The test images did not, so their figures are the ones to tell others.

# %%
# !pylon-zoo evaluate --data coco:plates --split test --checkpoint run --out figures --bootstrap 200 --quiet

# %%
import json

measured = json.loads(Path("figures/metrics.json").read_text(encoding="utf-8"))
print(f"{'':9}AUROC  point accuracy")
for row in measured["classes"]:
    print(f"{row['class']:9}{row['auroc']:.2f}   {row['point_accuracy']:.2f}")

# %% [markdown]
# *Point accuracy* is the share of images whose map is highest inside a true box. A random place would be right in
# about 0.03.
#
# ## Next
#
# - [300 own images, step by step](../docs/own-data.md): the same with photographs, with what came out and what helps.
# - [Compare methods](compare_methods.ipynb) on the same plates.
# - [Publish to the Hub](publish.ipynb).
