"""What the files of a checkpoint are called."""

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
GOLDEN_FILE = "golden.safetensors"  # a fixed input and what the model made of it, see `pylon_zoo.weights.golden`
RUN_CHECKPOINT = "checkpoint"  # the folder where a training run keeps its best checkpoint
