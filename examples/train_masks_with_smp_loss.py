"""PYLON as a segmentation model: the bundled classifier, fine-tuned on masks with a loss and a metric of smp.

The masks are the phantoms' boxes, filled; with real masks nothing else changes.
"""

import argparse

import segmentation_models_pytorch as smp
import torch
from torch.utils.data import DataLoader

import pylon_zoo as pz
from pylon_zoo.data.phantom import PhantomCxr
from pylon_zoo.data.sample import Batch, collate
from pylon_zoo.preprocessing import eval_transform

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model", default="pylon_resnet18.phantom_cxr", help="a name of pylon_zoo.list_pretrained()")
parser.add_argument("--images", type=int, default=256, help="training images")
parser.add_argument("--epochs", type=int, default=2)
args = parser.parse_args()


def masks_of(batch: Batch, classes: int) -> torch.Tensor:
    """(N, K, H, W) int64: 1 inside a box of the class."""
    masks = torch.zeros(len(batch.images), classes, *batch.images.shape[-2:], dtype=torch.int64)
    for image, boxes in enumerate(batch.boxes):
        for label, x0, y0, x1, y1 in boxes.round().long().tolist():
            masks[image, label, y0 : y1 + 1, x0 : x1 + 1] = 1
    return masks


def mean_iou(masked: torch.nn.Module, loader: DataLoader, classes: int) -> float:
    """smp's IoU over all pixels of all images, averaged over the classes."""
    counts = []
    for batch in loader:
        found, true = masked.predict(batch.images).sigmoid(), masks_of(batch, classes)
        counts.append(smp.metrics.get_stats(found, true, "multilabel", threshold=0.5))
    totals = [torch.cat(column).sum(0, keepdim=True) for column in zip(*counts, strict=True)]
    return smp.metrics.iou_score(*totals, reduction="macro").item()


torch.manual_seed(0)
model = pz.create_model(args.model)
view = pz.smp_view(model)  # encoder, decoder, segmentation_head, predict: what smp's training loops ask for
side, classes = model.pretrained_cfg["input_size"][1], model.num_classes
train, test = (PhantomCxr(split, size=side, count=n) for split, n in (("train", args.images), ("test", 64)))
train.transform = test.transform = eval_transform(model)
loader, test_loader = (DataLoader(data, 16, shuffle=data is train, collate_fn=collate) for data in (train, test))

print(f"from image-level labels alone: IoU {mean_iou(view, test_loader, classes):.3f}")
loss_of = smp.losses.TverskyLoss("multilabel", alpha=0.3, beta=0.7)
optimizer = torch.optim.Adam(view.parameters(), 3e-4)
for epoch in range(args.epochs):
    view.train()
    for batch in loader:
        loss = loss_of(view(batch.images), masks_of(batch, classes))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch + 1}: loss {loss.item():.3f}, IoU {mean_iou(view, test_loader, classes):.3f}")
