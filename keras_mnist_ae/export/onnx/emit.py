"""Tables and weights to ONNX graphs: a node for each row and each activation, everything else
folded into weights and attributes.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto

from ... import __version__
from ...architecture.variant import Variant
from ..formats import Precision
from ..weights import Weights, fingerprint
from .lowering import lower, without_reshapes
from .nodes import FLOAT, UINT8, Ports, build
from .polyphase import by_phases


def emit(
    variant: Variant,
    weights: Weights,
    metadata: Mapping[str, str],
    precision: Precision = "float32",
    calibration: NDArray[np.float32] | None = None,
) -> dict[str, ModelProto]:
    """The graphs "encoder", "decoder" and "autoencoder" of a variant, for any batch.

    Their tensors are `image` and `reconstruction` float32 of shape (batch, C, H, W) in [0, 1],
    `latent` float32 (batch, d) and, where the variant pools with switches, `switch_a`, ... uint8
    (batch, C, h, w), values 0..3; a variational encoder gives the mean of the code as `latent` and,
    float32 (batch, d), `log_variance`. `weights` are what `weights.read` gives. Each entry of
    `metadata` is stored as `kae.<key>`, beside what the graphs say of themselves. Equal arguments
    give equal bytes, given `SerializeToString(deterministic=True)`.

    In float16 weights and everything between the ports are of that type; a Cast stands at each
    float32 port. For int8, `calibration` holds images, float32 of shape (n, C, H, W) in [0, 1],
    that the grids are fitted to (see `quantization.quantise`).
    """
    rows = {
        "encoder": by_phases(lower("encoder", variant.encoder, weights["encoder"])),
        "decoder": by_phases(lower("decoder", variant.decoder, weights["decoder"])),
    }
    image, latent = (FLOAT, variant.image), (FLOAT, (variant.latent,))
    switches = {f"switch_{name}": (UINT8, shape) for name, shape in variant.switches.items()}
    variance = {"log_variance": latent} if variant.variational else {}
    ports: dict[str, tuple[Ports, Ports]] = {
        "encoder": ({"image": image}, {"latent": latent, **switches, **variance}),
        "decoder": ({"latent": latent, **switches}, {"reconstruction": image}),
        "autoencoder": ({"image": image}, {"reconstruction": image}),
    }
    if precision == "int8":
        assert calibration is not None, "int8 needs images to fit its grids to"
        from .quantization import quantise, summary  # needs onnxruntime

        rows = quantise(rows, ports, calibration)
        metadata = {**metadata, "rows": "; ".join(map(summary, rows.values()))}
    rows["autoencoder"] = without_reshapes(rows["encoder"] + rows["decoder"])
    properties = {
        **metadata,
        "variant": variant.name,
        "version": __version__,
        "precision": precision,
        "pixel_range": "[0, 1]",
        "latent_size": str(variant.latent),
        "weights_sha256": fingerprint(weights),
    }
    kind = TensorProto.FLOAT16 if precision == "float16" else FLOAT
    return {name: build(name, rows[name], *ports[name], properties, kind) for name in rows}
