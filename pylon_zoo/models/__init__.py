"""Models: the contract and everything that obeys it."""
