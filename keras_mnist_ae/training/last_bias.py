"""The bias of the row that gives the image, started at the mean of the training images."""

import numpy as np

from ..architecture.layers import Conv, ConvTranspose, Dense, Rescale, Unflatten
from ..architecture.stack import Stack
from ..datasets.images import Images, to_float
from ..models.autoencoder import Autoencoder

LOOKED_AT = 1024  # images
EDGE = 0.02  # of the range of an activation, which it reaches only far out


def start_bias(model: Autoencoder, images: Images) -> bool:
    """Set the last row's bias so that an untrained decoder gives about the mean image, where the
    images are bright: the square of their mean is above their variance.

    A bias moves by the learning rate in a step of Adam: from 0 to 0.9 at a rate of 0.001 takes 900
    steps, in which the weights learn to make up for it. Dark images, such as MNIST's, need none of
    it: there the bias starts at 0, as in the references.

    Args:
        images: uint8 of shape (n, H, W, C).

    Returns:
        Whether it was set; not where the last row has no bias, or what follows it is no mere shift.
    """
    looked_at = to_float(images[:: max(1, len(images) // LOOKED_AT)][:LOOKED_AT])
    if looked_at.mean() ** 2 <= looked_at.var():
        return False
    values = bias_for(model.variant.decoder, looked_at.mean(0))
    if values is None:
        return False
    row = list(model.variant.decoder)[model.variant.decoder.last]
    model.decoder.get_layer(row.name).bias.assign(values.astype(np.float32))
    return True


def bias_for(stack: Stack, mean: Images) -> Images | None:
    """The bias of a decoder's last row with weights that gives an image of mean (H, W, C) where
    all else is 0; None where no bias of it does.
    """
    layer = stack.layers[stack.last]
    wanted = mean.transpose(2, 0, 1).astype(np.float64)  # (C, H, W)
    for after in reversed(stack.layers[stack.last + 1 :]):
        if isinstance(after, Rescale):
            wanted = (wanted - after.offset) / after.scale
        elif not isinstance(after, Unflatten):
            return None
    if not isinstance(layer, Conv | ConvTranspose | Dense) or layer.norm:
        return None
    values = wanted.reshape(-1) if isinstance(layer, Dense) else wanted.mean((1, 2))  # (outputs,)
    if values.shape != (layer.outputs,):
        return None
    match layer.act:
        case None:
            return values
        case "relu":
            return np.maximum(values, EDGE)
        case "sigmoid":
            inside = np.clip(values, EDGE, 1 - EDGE)
            return np.log(inside / (1 - inside))
        case "tanh":
            return np.arctanh(np.clip(values, EDGE - 1, 1 - EDGE))
        case "silu":
            return None
