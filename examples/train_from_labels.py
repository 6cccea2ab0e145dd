"""The whole idea in one plain PyTorch loop: train from image-level labels alone, then ask the model where it looked."""

import argparse

import torch
from torch.utils.data import DataLoader

import pylon_zoo as pz
from pylon_zoo.data.phantom import PhantomCxr
from pylon_zoo.data.sample import collate
from pylon_zoo.metrics.point import PointAccuracy
from pylon_zoo.preprocessing import eval_transform

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--backbone", default="test_resnet", help="any timm architecture")
parser.add_argument("--images", type=int, default=64, help="training images; thousands make it learn")
parser.add_argument("--epochs", type=int, default=1)
parser.add_argument("--size", type=int, default=64, help="pixels")
args = parser.parse_args()

torch.manual_seed(0)
train, test = PhantomCxr("train", size=args.size, count=args.images), PhantomCxr("test", size=args.size, count=64)
model = pz.create_pylon(args.backbone, in_chans=1, label_names=train.classes, img_size=args.size)
train.transform = test.transform = eval_transform(model)

optimizer = torch.optim.Adam(model.parameters(), 1e-3)
for epoch in range(args.epochs):
    for batch in DataLoader(train, 16, shuffle=True, collate_fn=collate):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(model(batch.images), batch.targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch + 1}: loss {loss.item():.3f}")

points = PointAccuracy(len(test.classes), size=(args.size, args.size))
with torch.inference_mode():
    for batch in DataLoader(test, 16, collate_fn=collate):
        points.update(model.eval().forward_heatmap(batch.images), batch.boxes)
print(f"point accuracy over {int(points.compute().support.sum())} boxed findings: {points.compute().macro:.2f}")
