"""The variants as PyTorch users write them, independent of the tables: the oracle for every model
of this package.
"""

import numpy as np
import torch
from torch import nn


class Plain(nn.Module):
    """An encoder and a decoder; the code is what lies between, flattened."""

    def __init__(self, encoder: nn.Sequential, decoder: nn.Sequential) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, image):
        code = self.encoder(image)
        return [code.flatten(1)], self.decoder(code)


class Unpool(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.conv2, self.norm2 = nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32)
        self.conv3 = nn.Conv2d(32, 64, 7)
        self.deconv1, self.norm3 = nn.ConvTranspose2d(64, 32, 7, bias=False), nn.BatchNorm2d(32)
        self.deconv2, self.norm4 = nn.ConvTranspose2d(32, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.deconv3 = nn.ConvTranspose2d(16, 1, 3, padding=1)
        self.pool, self.unpool = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)

    def forward(self, image):
        x, where_a = self.pool(torch.relu(self.norm1(self.conv1(image))))
        x, where_b = self.pool(torch.relu(self.norm2(self.conv2(x))))
        code = self.conv3(x)
        x = self.unpool(torch.relu(self.norm3(self.deconv1(code))), where_b)
        x = self.unpool(torch.relu(self.norm4(self.deconv2(x))), where_a)
        return [code.flatten(1), switch(where_a, 28), switch(where_b, 14)], self.deconv3(x)


def switch(where: torch.Tensor, width: int) -> torch.Tensor:
    """PyTorch's position in the plane as the position 0..3 in the 2 x 2 window."""
    return (where // width % 2) * 2 + where % width % 2


def conv_avgpool() -> Plain:
    return Plain(
        nn.Sequential(
            *(nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.ReLU()),
            *(nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU()),
            *(nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.ReLU()),
            nn.AdaptiveAvgPool2d(1),
        ),
        nn.Sequential(
            *(nn.ConvTranspose2d(64, 32, 4), nn.ReLU()),
            *(nn.ConvTranspose2d(32, 16, 3, stride=2, padding=1), nn.ReLU()),
            *(nn.ConvTranspose2d(16, 8, 4, stride=2, padding=1), nn.ReLU()),
            nn.ConvTranspose2d(8, 1, 4, stride=2, padding=1),
        ),
    )


def conv_k15() -> Plain:
    return Plain(
        nn.Sequential(
            *(nn.Conv2d(1, 8, 15, padding=1), nn.ReLU()),
            *(nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.ReLU()),
            *(nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU()),
            nn.Conv2d(32, 64, 5, stride=2, padding=1),
        ),
        nn.Sequential(
            *(nn.ConvTranspose2d(64, 32, 4), nn.ReLU()),
            *(nn.ConvTranspose2d(32, 16, 2, stride=2), nn.ReLU()),
            *(nn.ConvTranspose2d(16, 8, 2, stride=2), nn.ReLU()),
            nn.ConvTranspose2d(8, 1, 4, stride=2, padding=3),
        ),
    )


def conv_k16() -> Plain:
    return Plain(
        nn.Sequential(
            *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(16, 32, 4, stride=2, padding=1), nn.ReLU()),
            *(nn.Conv2d(32, 64, 16, stride=2, padding=1), nn.ReLU()),
        ),
        nn.Sequential(
            *(nn.ConvTranspose2d(64, 32, 9, padding=1), nn.ReLU()),
            *(nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1), nn.ReLU()),
            *(nn.ConvTranspose2d(16, 1, 4, stride=2, padding=1), nn.ReLU()),
        ),
    )


class MLP(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 32)
        )
        self.decoder = nn.Sequential(
            nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 784), nn.Tanh()
        )

    def forward(self, image):
        code = self.encoder(((image - 0.5) / 0.5).flatten(1))
        return [code], (self.decoder(code).unflatten(1, (1, 28, 28)) + 1) / 2


def down() -> list[nn.Module]:
    first = [nn.Conv2d(1, 32, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(32), nn.SiLU()]
    return [*first, nn.Conv2d(32, 64, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(64), nn.SiLU()]


def up() -> list[nn.Module]:
    first = [nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(32), nn.SiLU()]
    return [*first, nn.ConvTranspose2d(32, 1, 4, stride=2, padding=1), nn.Sigmoid()]


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        first = [nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.SiLU()]
        self.block = nn.Sequential(*first, nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64))

    def forward(self, x):
        return nn.functional.silu(x + self.block(x))


def conv() -> Plain:
    decoder = nn.Sequential(nn.Linear(32, 3136), nn.SiLU(), nn.Unflatten(1, (64, 7, 7)), *up())
    return Plain(nn.Sequential(*down(), nn.Flatten(), nn.Linear(3136, 32)), decoder)


def conv_best() -> Plain:
    decoder = nn.Sequential(nn.Linear(64, 3136), nn.SiLU(), nn.Unflatten(1, (64, 7, 7)), Residual(), *up())
    return Plain(nn.Sequential(*down(), Residual(), nn.Flatten(), nn.Linear(3136, 64)), decoder)


class Variational(nn.Module):
    """What it gives when no code is sampled."""

    def __init__(self, encoder: list[nn.Module], decoder: list[nn.Module]) -> None:
        super().__init__()
        self.encoder, self.mean, self.log_variance = (
            nn.Sequential(*encoder),
            nn.Linear(256, 16),
            nn.Linear(256, 16),
        )
        self.decoder = nn.Sequential(*decoder)

    def forward(self, image):
        hidden = self.encoder(image)
        mean = self.mean(hidden)
        return [mean, self.log_variance(hidden)], self.decoder(mean)


def vae_conv() -> Variational:
    decoder = [
        nn.Linear(16, 256),
        nn.SiLU(),
        nn.Linear(256, 3136),
        nn.SiLU(),
        nn.Unflatten(1, (64, 7, 7)),
        *up(),
    ]
    return Variational([*down(), nn.Flatten(), nn.Linear(3136, 256), nn.SiLU()], decoder)


def vae_mlp() -> Variational:
    first, second = (
        [nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU()],
        [nn.Linear(16, 256), nn.ReLU(), nn.Linear(256, 512)],
    )
    return Variational(
        [nn.Flatten(), *first],
        [*second, nn.ReLU(), nn.Linear(512, 784), nn.Sigmoid(), nn.Unflatten(1, (1, 28, 28))],
    )


MODULES = {
    **{
        "conv-avgpool": conv_avgpool,
        "conv-k15": conv_k15,
        "conv-k16": conv_k16,
        "conv-unpool": Unpool,
        "mlp": MLP,
    },
    **{"conv": conv, "conv-best": conv_best, "vae-conv": vae_conv, "vae-mlp": vae_mlp},
}


def with_weights_of(model) -> nn.Module:
    """The hand-written module of the model's variant, in evaluation mode, carrying its weights:
    layers meet in the order of the tables.
    """
    module = MODULES[model.name]().eval()
    ours = [layer for part in (model.encoder, model.decoder) for layer in part.layers if layer.weights]
    theirs = [
        layer for layer in module.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)
    ]
    norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
    for layer in ours:
        weights = [torch.from_numpy(np.array(weight)) for weight in layer.get_weights()]
        if layer.name.endswith("_norm"):
            target = norms.pop(0)
            names = ("weight", "bias", "running_mean", "running_var")
        else:
            target = theirs.pop(0)
            names = ("weight", "bias")
            weights[0] = weights[0].T if weights[0].ndim == 2 else weights[0].permute(3, 2, 0, 1)
        for name, weight in zip(names, weights, strict=False):
            getattr(target, name).data.copy_(weight)
    assert not theirs, "a layer of the module got no weights"
    assert not norms, "a normalisation of the module got no weights"
    return module
