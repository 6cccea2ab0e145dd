"""An ordinary timm training script. Give it `--model pylon_resnet18`, not `resnet18`, and it shows where it looked."""

import argparse

import timm
import torch
from PIL import Image
from timm.data import create_loader, resolve_model_data_config
from timm.loss import BinaryCrossEntropy
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.utils import AverageMeter, ModelEmaV3

import pylon_zoo as pz  # from here on timm knows the names pylon_*
from pylon_zoo.data.phantom import PhantomCxr

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model", default="resnet18", help="a name of timm.list_models()")
parser.add_argument("--images", type=int, default=512, help="training images; thousands make it learn")
parser.add_argument("--epochs", type=int, default=2)
parser.add_argument("--size", type=int, default=96, help="pixels")
parser.add_argument("--batch-size", type=int, default=16)
parser.add_argument("--lr", type=float, default=1e-3)
parser.add_argument("--drop-path", type=float, default=None)
parser.add_argument("--layer-decay", type=float, default=0.75)
parser.add_argument("--out", default="heatmap.png", help="picture to write, where the model has heatmaps")
args = parser.parse_args()


class Pictures(torch.utils.data.Dataset):
    """Synthetic radiographs as timm wants a dataset: pictures and targets, and a transform that its loader sets."""

    def __init__(self, split: str, count: int) -> None:
        self.phantoms = PhantomCxr(split, size=args.size, count=count)
        self.transform = None

    def __len__(self) -> int:
        return len(self.phantoms)

    def picture(self, index: int) -> Image.Image:
        return Image.fromarray(self.phantoms[index].image[0].numpy()).convert("RGB")

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.transform(self.picture(index)), self.phantoms[index].target


torch.manual_seed(0)
train, test = Pictures("train", args.images), Pictures("test", max(args.images // 4, 1))
classes = train.phantoms.classes
model = timm.create_model(args.model, num_classes=len(classes), drop_path_rate=args.drop_path)

config = {**resolve_model_data_config(model), "input_size": (3, args.size, args.size)}
inputs = {name: config[name] for name in ("input_size", "interpolation", "mean", "std", "crop_pct")}
fixed = {"use_prefetcher": False, "num_workers": 0, "persistent_workers": False, "device": torch.device("cpu")}
train_loader = create_loader(train, batch_size=args.batch_size, is_training=True, no_aug=True, **inputs, **fixed)
test_loader = create_loader(test, batch_size=args.batch_size, crop_mode=config["crop_mode"], **inputs, **fixed)

optimizer = create_optimizer_v2(model, opt="adamw", lr=args.lr, weight_decay=0.05, layer_decay=args.layer_decay)
scheduler, _ = create_scheduler_v2(optimizer, sched="cosine", num_epochs=args.epochs)
ema = ModelEmaV3(model, decay=0.9)
loss_fn = BinaryCrossEntropy()

for epoch in range(args.epochs):
    model.train()
    train_loss, test_loss = AverageMeter(), AverageMeter()
    for images, targets in train_loader:
        loss = loss_fn(model(images), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        ema.update(model)
        train_loss.update(loss.item(), len(images))
    scheduler.step(epoch + 1)
    with torch.inference_mode():
        for images, targets in test_loader:
            test_loss.update(loss_fn(ema.module.eval()(images), targets).item(), len(images))
    print(f"epoch {epoch + 1}: loss {train_loss.avg:.3f}, averaged weights on test images {test_loss.avg:.3f}")

# All that a model of timm's own could not do.
if hasattr(model, "forward_heatmap"):
    ema.module.set_labels(classes)
    index = int(test.phantoms.targets().sum(1).argmax())
    explanation = pz.explain(ema.module, test.picture(index))
    finding = explanation.labels[int(explanation.probabilities.argmax())]
    explanation.overlay(finding).resize((4 * args.size, 4 * args.size)).save(args.out)
    print(f"{finding}: {args.out} shows where it is seen")
