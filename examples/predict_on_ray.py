"""Many machines: Ray Data reads a folder, a bucket or Parquet, actors predict, and Parquet comes out.

Needs `pip install "pylon-zoo[ray]"`. On a cluster run it on the head node (`ray job submit -- python predict_on_ray.py
…`); alone it uses this machine. A worker that dies is replaced, and its images are predicted again: none is lost, and
none is written twice.
"""

import argparse

import ray
from ray.data import ActorPoolStrategy, DataContext

from pylon_zoo.data.image_files import IMAGE_SUFFIXES
from pylon_zoo.deployment import BatchPredictor

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--input", required=True, help="a folder or bucket of images, or *.parquet with their bytes")
parser.add_argument("--out", required=True, help="folder or address of the Parquet files")
parser.add_argument("--model", default="pylon_resnet18.phantom_cxr", help="a name with a tag")
parser.add_argument("--checkpoint", help="in its place a folder that every machine sees")
parser.add_argument("--workers", type=int, default=2, help="actors, each with a copy of the model")
parser.add_argument("--cpus", type=float, default=0.5, help="reserved by each actor; some must be left for reading")
parser.add_argument("--gpus", type=float, default=0, help="of each actor; 0.5 lets two share one")
parser.add_argument("--batch-size", type=int, default=32)
args = parser.parse_args()

ray.init()
DataContext.get_current().execution_options.preserve_order = True
if args.input.endswith(".parquet"):
    images = ray.data.read_parquet(args.input)
else:
    suffixes = [suffix.lstrip(".") for suffix in IMAGE_SUFFIXES]
    images = ray.data.read_binary_files(args.input, include_paths=True, file_extensions=suffixes)
found = images.map_batches(
    BatchPredictor,
    fn_constructor_kwargs={
        "model": None if args.checkpoint else args.model,
        "checkpoint": args.checkpoint,
        "batch_size": args.batch_size,
    },
    batch_format="pyarrow",
    batch_size=args.batch_size,
    compute=ActorPoolStrategy(size=args.workers),
    num_cpus=args.cpus,
    num_gpus=args.gpus,
)
found.write_parquet(args.out, mode="overwrite")
print(f"Written: {args.out}")
