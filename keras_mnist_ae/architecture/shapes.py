"""Shapes of images (channels, height, width) and vectors (d,). Standard library only."""

Shape = tuple[int, ...]
"""(channels, height, width) of an image, (d,) of a vector."""


def text(shape: Shape) -> str:
    """(16, 14, 14) as 16x14x14."""
    return "x".join(map(str, shape))


def spatial(shape: Shape, channels: int | None = None) -> tuple[int, int]:
    if len(shape) != 3:
        raise ValueError("takes an image")
    if channels is not None and shape[0] != channels:
        raise ValueError(f"takes {channels} channels")
    return shape[1], shape[2]
