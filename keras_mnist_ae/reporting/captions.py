"""What each picture of a run shows, in words."""

from typing import NamedTuple


class Caption(NamedTuple):
    """A picture's heading, and what can be seen on it."""

    title: str
    text: str


CAPTIONS = {
    "losses": Caption(
        "Training",
        "The loss after each epoch: the mean squared error per pixel, of a variational model its two terms "
        "in nats. "
        "The training curve is an average over the epoch as it goes.",
    ),
    "reconstructions": Caption(
        "Before and after training",
        "The first ten test images, and what the untrained and the trained model make of them.",
    ),
    "classes": Caption(
        "Best and worst",
        "Of each class the test image with the smallest error and the one with the largest, each above its "
        "reconstruction.",
    ),
    "errors": Caption(
        "Where the errors are",
        "Squared error of each pixel, averaged over the test images.",
    ),
    "map": Caption(
        "Map of the codes",
        "Test codes on the two directions of the code in which training codes vary most.",
    ),
    "neighbours": Caption(
        "Neighbours in the code",
        "Test images at the left, and the training images whose codes are nearest, nearest first.",
    ),
    "traverse": Caption(
        "Along the directions of the code",
        "A row for each direction in which training codes vary most: the mean code, moved by up to three "
        "standard deviations.",
    ),
    "samples": Caption(
        "Generated images",
        "Decoded from codes drawn at random, each above the training image nearest to it in pixels: a copy "
        "would show.",
    ),
    "interpolations": Caption(
        "Interpolations",
        "From one test image to another: straight in the code, along a great circle in the code, and as a "
        "cross-fade of the pixels.",
    ),
}

EXTRA = {  # made by a command of its own, and in the report only after it
    "clusters": Caption(
        "Clusters",
        "The clusters of the test codes, the largest first: of each the test images nearest to its mean.",
    ),
    "anomalies": Caption(
        "Scores and the strangest images",
        "Above, how often each score occurs, and the threshold. Below, the test images with the highest "
        "scores, their reconstructions and the squared error of each pixel on one scale.",
    ),
}
