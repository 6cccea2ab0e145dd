"""Connected regions and their bounding boxes: of masks (`runs`), and of maps at all thresholds at once (`cuts`).

On NumPy alone. On masks like those of heatmaps it is as fast as the labelling of SciPy, OpenCV and
connected-components-3d, and from 512 pixels on several times faster (`benchmarks/region_finding.py`); none of them has
the regions of all cuts.
"""

from pylon_zoo.regions.cuts import Cuts, holes_of_cuts, regions_of_cuts
from pylon_zoo.regions.runs import Runs, boxes_of_regions, find_runs

__all__ = ["Cuts", "Runs", "boxes_of_regions", "find_runs", "holes_of_cuts", "regions_of_cuts"]
