# %% [markdown]
# # Your first map, in five minutes
#
# A classifier says *this image shows a nodule*. The models of pylon_zoo also say where: they give a heatmap for
# each class, from the same pass.
# This notebook loads a model that comes with the package, shows it an image and looks at what it found. It needs no
# network and no GPU.
#
#     pip install pylon-zoo        # or, from a copy of the repository: pip install .

# %%
import pylon_zoo as pz

model = pz.create_model("pylon_resnet18.phantom_cxr")
model

# %% [markdown]
# The name has two parts, as in timm: the architecture, PYLON on a narrow ResNet-18, and the tag of its weights.
# `pz.list_pretrained()` lists the others.
#
# ## An image
#
# This model has learned from *phantoms*, drawn radiographs, of which it saw labels and never a box. It knows
# nothing about patients.
# The image below is drawn now; it is none of those that the model learned from.

# %%
from PIL import Image
from pylon_zoo.data.phantom import PhantomCxr

phantoms = PhantomCxr("test", size=512)
sample = phantoms[2]
Image.fromarray(sample.image[0].numpy()).resize((320, 320))

# %% [markdown]
# ## What does it show, and where?
#
# For an image of yours, give its path: `pz.explain(model, "chest.png")`. PNG, JPEG, TIFF and DICOM are read.

# %%
explanation = pz.explain(model, sample.image)
explanation

# %% [markdown]
# Bars are probabilities, orange where a class reaches its threshold. The picture is the map of the most probable
# class, over the image.
# Any other class is one call away:

# %%
found = [finding for finding in explanation.top() if finding.found]
for finding in found:
    x, y = finding.peak.x, finding.peak.y
    print(f"{finding.label:14} {finding.probability:.2f}  highest at x={x}, y={y}")

# %%
explanation.overlay(explanation.ranking()[1][0]).resize((320, 360))

# %% [markdown]
# ## Was it right?
#
# Phantoms come with the true boxes. Is the highest place of each class inside one?

# %%
for label, x0, y0, x1, y1 in sample.boxes.tolist():
    name = phantoms.classes[int(label)]
    peak = explanation.finding(name).peak
    inside = x0 <= peak.x <= x1 and y0 <= peak.y <= y1
    print(f"{name:14} {'inside' if inside else 'beside'} its box")

# %% [markdown]
# ## The numbers behind the picture

# %%
label = found[0].label
print("raw logits, a map for each class:", tuple(explanation.heatmaps.shape))
print("the model's own resolution:", explanation.resolution)
print("one class as probabilities:", tuple(explanation.probability_map(label).shape))
print("its boxes:", explanation.finding(label).boxes)

# %% [markdown]
# Finer detail than the model's own resolution is interpolation. And a heatmap shows where a score came from, not
# why, and not that it is right.
#
# ## Next
#
# - [Own data](own_data.ipynb): a folder of images with labels becomes a model with heatmaps.
# - [Compare methods](compare_methods.ipynb): PYLON, CAM and Grad-CAM on the same images.
# - [Publish to the Hub](publish.ipynb): what goes there, and how others load it.
