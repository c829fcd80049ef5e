"""The arithmetic of docs/howto/many.md: when machines pay, and what a billion images cost."""

from .records import measured, table

BATCH = 128
LINKS = {  # bytes a second, and seconds until a message arrives: assumed
    "1 Gbit/s, 100 µs": (1e9 / 8, 100e-6),
    "10 Gbit/s, 50 µs": (1e10 / 8, 50e-6),
    "100 Gbit/s, 5 µs": (1e11 / 8, 5e-6),
}
MOST = 1024  # machines


def seconds(step: float, gradients: int, machines: int, bandwidth: float, latency: float) -> float:
    """Of a step on so many machines: its computation is divided, the gradients go round a ring."""
    passes = 2 * (machines - 1)
    return step / machines + passes * (gradients / machines / bandwidth + latency)


def training() -> str:
    """For each variant the number of machines with the fastest step, and how much faster it is."""
    from keras_mnist_ae.architecture.variants import VARIANTS

    rows = []
    for result in measured("train")["results"]:
        if (result["trainer"], result["backend"]) != ("kae", "torch"):
            continue
        step = BATCH / result["images_per_second"]
        gradients = 4 * VARIANTS[result["variant"]].parameters
        row = [result["variant"], f"{gradients / 1e6:.2f}", f"{1000 * step:.0f}"]
        for bandwidth, latency in LINKS.values():
            taken = {n: seconds(step, gradients, n, bandwidth, latency) for n in range(1, MOST + 1)}
            best = min(taken, key=lambda n: taken[n])
            row.append("1" if best == 1 else f"{best}: {step / taken[best]:.1f}")
        rows.append(row)
    columns = ["variant", "gradients, MB >", "step, ms >", *(f"{link} >" for link in LINKS)]
    return table(columns, rows)


def encoding() -> str:
    """Hours of one processor for a billion images through each autoencoder's float32 graph."""
    rows = []
    for result in measured("infer")["results"]:
        if result["graph"] == "float32" and result["batch"] == 256:
            image = result["microseconds"] / 256
            rows.append([result["variant"], f"{image:.1f}", f"{image * 1e9 / 1e6 / 3600:,.1f}"])
    return table(["variant", "µs an image >", "hours of one processor >"], rows)
