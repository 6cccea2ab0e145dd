"""From an image to probabilities, heatmaps, peaks, overlays and a report."""
