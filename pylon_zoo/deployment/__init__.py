"""Models leave the workshop: made fast, exported, and run over many images."""
