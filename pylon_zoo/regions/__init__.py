"""Connected regions and their bounding boxes: of masks (`runs`), and of maps at all thresholds at once (`cuts`).

On NumPy alone. On masks like those of heatmaps it is as fast as SciPy's, OpenCV's and connected-components-3d's
labelling, and from 512 pixels on several times faster (`benchmarks/regions.py`); none of them has regions of all cuts.
"""

from pylon_zoo.regions.cuts import Cuts, holes_of_cuts, regions_of_cuts
from pylon_zoo.regions.runs import Runs, boxes_of_regions, find_runs

__all__ = ["Cuts", "Runs", "boxes_of_regions", "find_runs", "holes_of_cuts", "regions_of_cuts"]
