"""Any dataset as WebDataset shards, which `--data webdataset:DIR` trains from: few large files, not many small ones."""

import argparse
import io
import json
import tarfile
from pathlib import Path

from PIL import Image

from pylon_zoo.data import open_dataset

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--data", default="phantom", help="NAME[:DIR], as for every command")
parser.add_argument("--splits", nargs="+", default=["train", "val", "test"])
parser.add_argument("--per-shard", type=int, default=1000, help="images; a shard of 100 MB to 1 GB serves well")
parser.add_argument("--images", type=int, help="of each split of drawn data")
parser.add_argument("--out", type=Path, required=True)
args = parser.parse_args()

args.out.mkdir(parents=True, exist_ok=True)
for split in args.splits:
    data = open_dataset(args.data, split, **({"count": args.images} if args.images else {}))
    (args.out / "classes.txt").write_text("\n".join(data.classes), encoding="utf-8", newline="\n")
    for first in range(0, len(data), args.per_shard):
        name = args.out / f"{split}-{first // args.per_shard:05d}.tar"
        with tarfile.open(name, "w:") as shard:
            for index in range(first, min(first + args.per_shard, len(data))):
                sample = data.load(index)
                file = Path(sample.path)
                if file.is_file():
                    content, suffix = file.read_bytes(), file.suffix
                else:  # it is drawn
                    drawn, suffix = io.BytesIO(), ".png"
                    Image.fromarray(sample.image.permute(1, 2, 0).squeeze(-1).numpy()).save(drawn, "png")
                    content = drawn.getvalue()
                said = {
                    "labels": {
                        name: None if value != value else int(value)
                        for name, value in zip(data.classes, sample.target.tolist(), strict=True)
                    },
                    "patient": sample.patient,
                    "boxes": [[data.classes[int(label)], *corners] for label, *corners in sample.boxes.tolist()],
                }
                for ending, written in ((suffix, content), (".json", json.dumps(said).encode())):
                    header = tarfile.TarInfo(f"{index:08d}{ending}")
                    header.size = len(written)
                    shard.addfile(header, io.BytesIO(written))
    print(f"{split}: {len(data)} images")
