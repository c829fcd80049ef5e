"""The tables of docs/results.md."""

from .records import evaluations, runs, table

BEYOND = {
    "conv-best-32": "kae train conv-best --latent-dim 32",
    "conv-best": "kae train conv-best",
    "conv-best-noise": "kae train conv-best --noise gaussian:0.3",
    "vae-conv": "kae train vae-conv",
}


def backends() -> str:
    """conv-avgpool at its recipe on the three backends."""
    rows = []
    for backend in ("torch", "tensorflow", "jax"):
        run = runs()["conv-avgpool" if backend == "torch" else f"conv-avgpool-{backend}"]
        command = f"`kae train conv-avgpool --backend {backend}`"
        rows.append([backend, f"{run['loss']:.5f}", f"{run['metrics']['test_mse']:.5f}", command])
    return table(["backend", "train MSE, epoch 10 >", "test MSE >", "command"], rows)


def beyond() -> str:
    """The variants beside the references: the strongest, denoising, variational."""
    rows = []
    for name, command in BEYOND.items():
        run, metrics = runs()[name], runs()[name]["metrics"]
        also = f"on noisy test images {metrics['noise']['mse']:.5f}" if "noise" in metrics else ""
        if "evidence" in metrics:
            bound = metrics["evidence"]
            also = (
                f"-ELBO {bound['negative_elbo']:.2f} nats an image (KL {bound['kl']:.2f}), -log likelihood "
                f"at most {bound['negative_log_likelihood']:.2f} ({bound['samples']} samples)"
            )
        # the process of the noisy run stood still for a while, so its minutes say nothing
        minutes = "-" if "noise" in metrics else f"{run['seconds'] / 60:.1f}"
        errors = [f"{metrics['test_mse']:.5f}", f"{metrics['pca_mse']:.5f}"]
        rows.append([f"`{command}`", run["latent"], minutes, *errors, also])
    return table(["command", "latent >", "minutes >", "test MSE >", "PCA >", "also"], rows)


def errors(dataset: str) -> str:
    """Every error of every variant."""
    rows = []
    for name, metrics in evaluations(dataset):
        low, high = metrics["intervals"]["mse"]
        row = [name, f"{metrics['mse']:.5f}", f"{low:.5f} - {high:.5f}"]
        row += [f"{metrics[key]:.5f}" for key in ("rmse", "mae")]
        row += [f"{metrics[key]:.2f} dB" for key in ("psnr", "psnr_of_mean_mse")]
        row += [f"{metrics['ssim']:.4f}", *(f"{metrics[key]:.5f}" for key in ("pca_mse", "mean_image_mse"))]
        rows.append(row)
    columns = ["variant", "MSE >", "95 % interval >", "RMSE >", "MAE >", "PSNR, mean over images >"]
    columns += ["of mean MSE >", "SSIM >", "PCA: MSE >", "mean image: MSE >"]
    return table(columns, rows)


def classes(dataset: str) -> str:
    """The MSE of each class."""
    names = list(evaluations(dataset)[0][1]["per_class"])
    rows = [
        [variant, *(f"{metrics['per_class'][name]['mse']:.5f}" for name in names)]
        for variant, metrics in evaluations(dataset)
    ]
    return table(["variant", *(f"{name} >" for name in names)], rows)


def worst(dataset: str) -> str:
    """The ten test images with the largest errors."""
    rows = []
    for name, metrics in evaluations(dataset):
        images = metrics["worst"]
        listed = ", ".join(f"{image['index']} ({image['class']})" for image in images)
        rows.append([name, listed, f"{images[0]['mse']:.4f} - {images[-1]['mse']:.4f}"])
    return table(["variant", "test images (class), largest error first", "MSE >"], rows)


def sizes() -> str:
    """Code against image, in bits."""
    keys = ("code_floats", "switch_bits", "code_bits", "image_bits")
    rows = [
        [
            name,
            *(f"{metrics['compression'][key]:,}" for key in keys),
            f"{metrics['compression']['ratio']:.2f}",
        ]
        for name, metrics in evaluations("mnist")
    ]
    columns = ["variant", "numbers >", "switches, bits >", "code, bits >", "image, bits >", "image / code >"]
    return table(columns, rows)


def probes(dataset: str) -> str:
    """Accuracies of classifiers on codes, pixels and PCA codes."""
    rows = [
        [
            name,
            *(
                f"{100 * metrics['latent'][probe][space]:.2f} %"
                for probe in ("knn", "logistic")
                for space in ("codes", "pixels", "pca")
            ),
        ]
        for name, metrics in evaluations(dataset)
    ]
    columns = ["variant", "5-NN: codes >", "pixels >", "PCA codes >", "logistic regression: codes >"]
    return table([*columns, "pixels >", "PCA codes >"], rows)


def codes(dataset: str) -> str:
    """Clusters, dimensions in use, and generated images."""
    rows = []
    for name, metrics in evaluations(dataset):
        latent, generated = metrics["latent"], metrics["generated"]
        row = [name]
        for score in ("accuracy", "nmi", "ari"):
            row.append(f"{latent['kmeans'][score]['mean']:.3f} +- {latent['kmeans'][score]['std']:.3f}")
        row.append(f"{latent['participation_ratio']:.1f} of {latent['latent']}")
        row.append(latent["dead_units"])
        row += [f"{generated[key]:.4f}" for key in ("nearest_rmse", "test_nearest_rmse")]
        rows.append(row)
    columns = ["variant", "k-means: accuracy >", "NMI >", "ARI >", "participation ratio >", "dead >"]
    return table([*columns, "generated: RMSE to nearest >", "test images: same >"], rows)
