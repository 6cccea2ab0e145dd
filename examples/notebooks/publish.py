# %% [markdown]
# # Publish to the Hugging Face Hub
#
# What goes to the Hub, and how others load it. **Nothing here is sent unless you say so**: everything up to the
# last part is a dry run, works offline and needs no
# account.
#
#     pip install "pylon-zoo[train]"
#
# ## 1. A checkpoint
#
# The folder of a run of `pylon-zoo train` is one. Here a model that comes with the package stands for yours;
# `save_checkpoint` writes any model.

# %%
import pylon_zoo as pz

model = pz.create_model("pylon_resnet18.phantom_cxr")
pz.save_checkpoint(model, "checkpoint")
model

# %% [markdown]
# ## 2. Figures to publish with it
#
# A card without figures helps nobody. The command that measured them goes into the card, so that others can repeat
# it.

# %%
# !pylon-zoo evaluate --data phantom --data-option count=100 --checkpoint checkpoint --out figures --quiet

# %% [markdown]
# ## 3. What would be uploaded
#
# `prepare` makes everything and touches no network: the weights, their description, golden outputs (a fixed input
# with its logits and heatmap, by which others can check
# that they got the same model), and the model card. What no file knows, you state; what nobody states reads "not
# stated".

# %%
from pylon_zoo.weights.publishing import prepare

REPO = "your-name/pylon_resnet18-phantoms"
publication = prepare(
    "checkpoint",
    REPO,
    evaluation="figures",
    command="pylon-zoo evaluate --data phantom --data-option count=100 "
    "--checkpoint checkpoint --out figures",
    training_data="phantom_cxr, split train (drawn images)",
    weights_licence="Apache-2.0",
)
for name, content in publication.files.items():
    print(f"{len(content):>12,} bytes  {name}")

# %% [markdown]
# Read the card before others do:

# %%
from IPython.display import Markdown

card = publication.files["README.md"].decode()
Markdown(card.split("---\n", 2)[2])

# %% [markdown]
# The same from the command line, also without a connection:

# %%
# !pylon-zoo weights publish checkpoint --repo your-name/pylon_resnet18-phantoms --dry-run --quiet

# %% [markdown]
# ## 4. Publish
#
# Log in once with `hf auth login`, put your name into `REPO` above, and set `PUBLISH` to `True`. It is one commit:
# all files or none. Publishing again uploads only what changed.

# %%
PUBLISH = False

if PUBLISH:
    from pylon_zoo.weights.publishing import publish

    entry, values, uploaded = publish(publication)
    print(f"{entry.name} is at hf-hub:{entry.repo}@{entry.revision}")
else:
    print("Nothing was sent.")

# %% [markdown]
# ## 5. How others load it
#
# By address, pinned to the commit. Every file is compared with its sha256.

# %%
if PUBLISH:
    again = pz.create_model("pylon_resnet18", f"hf-hub:{REPO}@{entry.revision}")
    same = all(
        (again.state_dict()[name] == value).all()
        for name, value in model.state_dict().items()
    )
    print("the same weights" if same else "other weights")

# %% [markdown]
# More on names, manifests and private repositories: [weights](../docs/weights.md).
