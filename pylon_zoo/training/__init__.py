"""Learning a heatmap from image-level labels: recipes, the loop, run folders."""
