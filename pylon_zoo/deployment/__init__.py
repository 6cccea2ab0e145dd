"""Deployment: models made fast, exported, and run over many images."""
