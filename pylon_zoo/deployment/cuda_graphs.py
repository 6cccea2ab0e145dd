"""A network replayed as CUDA graphs: for one image, Python launches a hundred kernels more slowly than a GPU runs them.

A graph serves one size; it is captured when the first images of that size come, and kept.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from pylon_zoo.errors import ConfigError, first_line
from pylon_zoo.models.layers import AUTOCAST, keeping_weights

Run = Callable[[Tensor], Tensor]
Key = tuple[tuple[int, ...], torch.dtype, torch.device]
WARM_UPS = 3
"""Runs before a capture: libraries choose their algorithms, and make what they keep, in them."""
SIZES = 8
"""How many graphs are kept, the last used ones. Each holds the memory of a forward pass."""


class Replayable(Protocol):
    """What a capture gives."""

    def replay(self, x: Tensor) -> Tensor:
        """What the network makes of images of the captured size, in memory of the caller's own."""

    def finish(self) -> None:
        """Wait until the last replay is over, so that its memory may go."""


class CudaGraph:
    """The kernels of one run of a network, launched at once.

    Args:
        run: the network; it must do the same for all images of a size.
        x: images of that size, on the GPU.
        layout: dtype and memory format that the network takes.

    Raises:
        ConfigError: images that are on no GPU, or a network that does what a graph cannot hold, as asking for a value.
    """

    def __init__(self, run: Run, x: Tensor, layout: dict[str, Any]) -> None:
        if x.device.type != "cuda":
            raise ConfigError(
                f"The images are on {x.device}, but mode='latency' is for a GPU: move model and images there, or "
                "optimize the model without it."
            )
        self.images = torch.empty_like(x).to(**layout).copy_(x)
        self.weights: dict[Any, Tensor] = {}  # read by the graph, so they live as long as it
        self.graph = torch.cuda.CUDAGraph()
        self.done = torch.cuda.Event()
        side = torch.cuda.Stream(x.device)
        side.wait_stream(torch.cuda.current_stream(x.device))
        try:
            with torch.cuda.device(x.device), keeping_weights(self.weights):
                with torch.cuda.stream(side):
                    for _ in range(WARM_UPS):
                        run(self.images)
                # Other threads may go on with their own work on the GPU meanwhile.
                with torch.cuda.graph(self.graph, stream=side, capture_error_mode="thread_local"):
                    self.features = run(self.images)
        except RuntimeError as error:
            raise ConfigError(
                f"This network cannot be captured as a CUDA graph ({first_line(error)}); leave mode='latency' out."
            ) from error
        torch.cuda.current_stream(x.device).wait_stream(side)
        self.done.record()

    def replay(self, x: Tensor) -> Tensor:
        """Copy in, launch, copy out, all on the caller's stream and after whoever was here before, on any stream."""
        stream = torch.cuda.current_stream(x.device)
        stream.wait_event(self.done)
        self.images.copy_(x)
        self.graph.replay()
        features = self.features.clone()
        self.done.record(stream)
        return features

    def finish(self) -> None:
        """Wait for the last replay."""
        self.done.synchronize()


class Graphs:
    """A network that keeps a graph for each size, dtype and device of the images it has seen.

    Safe with threads and streams: a graph is captured and launched by one thread at a time.

    Args:
        run: images → features, in the layout below.
        layout: dtype and memory format that the network takes.
        capture: makes a graph.

    Raises:
        ConfigError: from calls, as `capture` raises it.
    """

    def __init__(
        self, run: Run, layout: dict[str, Any], capture: Callable[[Run, Tensor, dict[str, Any]], Replayable] = CudaGraph
    ) -> None:
        self.run, self.layout, self.capture = run, layout, capture
        self._kept: OrderedDict[Key, Replayable] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, x: Tensor) -> Tensor:
        """Features of images (N, C, H, W) that need no gradient; those that do go through the network itself."""
        if (torch.is_grad_enabled() and x.requires_grad) or (
            AUTOCAST.get(x.device.type) and torch.is_autocast_enabled(x.device.type)
        ):
            return self.run(x.to(**self.layout))  # a graph has no backward, and the precision it was captured in
        key = (tuple(x.shape), x.dtype, x.device)
        with self._lock, torch.inference_mode(False), torch.no_grad():
            if key not in self._kept:
                self._kept[key] = self.capture(self.run, x, self.layout)
                if len(self._kept) > SIZES:
                    self._kept.popitem(last=False)[1].finish()
            self._kept.move_to_end(key)
            return self._kept[key].replay(x)

    def clear(self) -> None:
        """Forget all graphs: they read the weights where these were when they were captured."""
        with self._lock:
            while self._kept:
                self._kept.popitem()[1].finish()

    def __len__(self) -> int:
        return len(self._kept)

    def __getstate__(self) -> dict[str, Any]:
        """Without the graphs, which belong to this process."""
        return {"run": self.run, "layout": self.layout, "capture": self.capture}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]  # what `__getstate__` kept are its arguments
