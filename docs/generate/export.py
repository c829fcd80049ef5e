"""The tables of docs/howto/export.md."""

from .records import exports, inference, table

KERAS = "Keras' export"
BATCHES = (1, 256)


def precisions() -> str:
    """Size and error of the graphs in each precision."""
    from keras_mnist_ae.architecture.variants import VARIANTS

    rows = []
    for name in (name for name in VARIANTS if (name, "float32") in exports()):
        full, half, integer = (exports()[name, precision] for precision in ("float32", "float16", "int8"))
        slower = [
            precision
            for precision in ("float16", "int8")
            if any(inference()[name, precision, batch]["to_float32"]["low"] > 1 for batch in BATCHES)
        ]
        row = [name, f"{full['bytes']:,}", f"{half['bytes']:,}", f"{100 * half['mse_rise']:+.3f} %"]
        row += [f"{integer['bytes']:,}", f"{100 * integer['mse_rise']:+.2f} %"]
        rows.append([*row, f"size only: {', '.join(slower)}" if slower else ""])
    return table(["variant", "float32 >", "float16 >", "rise >", "int8 >", "rise >", "gain"], rows)


def speed() -> str:
    """The float32 graphs beside the exports of Keras and PyTorch."""
    from keras_mnist_ae.architecture.variants import VARIANTS

    rows = []
    for name in (name for name in VARIANTS if (name, "float32", 1) in inference()):
        for batch in BATCHES:
            full, half, integer, keras = (
                inference()[name, graph, batch] for graph in ("float32", "float16", "int8", KERAS)
            )
            to_pytorch = f"{full['to_pytorch']['median']:.2f}" if full["to_pytorch"] else "-"
            row = [name, full["nodes"], keras["nodes"], batch, f"{full['microseconds']:,.0f}"]
            row += [f"{full['to_keras']['median']:.2f}", to_pytorch]
            rows.append([*row, *(f"{graph['to_float32']['median']:.2f}" for graph in (half, integer))])
    columns = ["variant", "nodes >", "Keras' nodes >", "batch >", "time, us >", "to Keras' export >"]
    return table([*columns, "to PyTorch's >", "float16 to float32 >", "int8 to float32 >"], rows)
