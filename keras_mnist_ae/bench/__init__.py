"""Measured side by side, in one run: this package, stock Keras, plain PyTorch."""
