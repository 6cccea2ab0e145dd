"""Deployment: models made fast, and made to leave Python."""
