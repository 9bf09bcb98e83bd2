"""This project's networks inside MultiVae's models, to compare the two weight by weight.

In an environment of its own with ``torch==2.13.0``, ``multivae==1.0.3`` and this project's
requirements.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mvae.batch import Batch
from mvae.data import torchvision_import
from mvae.kinds.networks import Decoder, Encoder
from mvae.models.jmvae import JMVAE
from mvae.models.mvae import MVAE

# A torchvision that does not fit torch is mended before it is imported.
torchvision_import.datasets()
import multivae.models
from multivae.data.datasets import DatasetOutput, MultimodalBaseDataset
from multivae.models.base import BaseDecoder, BaseEncoder, ModelOutput
from multivae.models.nn.base_architectures import BaseJointEncoder
from multivae.trainers import BaseTrainer, BaseTrainerConfig

__all__ = [
    "BaseTrainer",
    "BaseTrainerConfig",
    "DatasetOutput",
    "MultimodalBaseDataset",
    "networks",
    "one_hot",
    "wrap",
]


class Reads(BaseEncoder):
    """An expert, as MultiVae expects encoders; labels come one-hot."""

    def __init__(self, net: Encoder, label: bool, latents: int) -> None:
        super().__init__()
        self.net, self.label, self.latent_dim = net, label, latents

    def forward(self, x: Tensor) -> ModelOutput:
        q = self.net(x.argmax(-1) if self.label else x)
        return ModelOutput(embedding=q.mean, log_covariance=q.logvar)


class ReadsAll(BaseJointEncoder):
    """The joint encoder of a JMVAE."""

    def __init__(self, model: JMVAE, labels: list[bool]) -> None:
        super().__init__()
        self.net, self.labels, self.latent_dim = model.joint, labels, model.latents

    def forward(self, x: dict[str, Tensor]) -> ModelOutput:
        values = {
            name: value.argmax(-1) if label else value
            for (name, value), label in zip(x.items(), self.labels, strict=True)
        }
        there = torch.ones(len(next(iter(x.values()))), len(x), dtype=torch.bool)
        mean, logvar = self.net(Batch(values, there)).chunk(2, -1)
        return ModelOutput(embedding=mean, log_covariance=logvar)


class Writes(BaseDecoder):
    """A decoder that gives logits."""

    def __init__(self, net: Decoder) -> None:
        super().__init__()
        self.net, self.shape = net, net.modality.shape

    def forward(self, z: Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=self.net.net(z).reshape(*z.shape[:-1], *self.shape))


def wrap(model: MVAE | JMVAE, warmup: int = 10) -> Any:
    """Put a model's own networks, and its λ and α, into MultiVae's model of that kind.

    Args:
        model: an MVAE or a JMVAE; its weights are shared.
        warmup: epochs over which β rises.
    """
    names = [m.name for m in model.modalities]
    labels = [m.kind == "label" for m in model.modalities]
    settings = {
        "n_modalities": len(names),
        "latent_dim": model.latents,
        "input_dims": {m.name: m.shape for m in model.modalities},
        "decoders_dist": {
            m.name: "categorical" if m.kind == "label" else "bernoulli" for m in model.modalities
        },
        "uses_likelihood_rescaling": True,
        "rescale_factors": {m.name: m.weight for m in model.modalities},
        "warmup": warmup,
    }
    encoders = {
        name: Reads(net, label, model.latents)
        for name, net, label in zip(names, model.encoders, labels, strict=True)
    }
    decoders = {name: Writes(net) for name, net in zip(names, model.decoders, strict=True)}
    if isinstance(model, JMVAE):
        config = multivae.models.JMVAEConfig(**settings)
        joint = ReadsAll(model, labels)
        return multivae.models.JMVAE(config, encoders, decoders, joint)
    return multivae.models.MVAE(multivae.models.MVAEConfig(**settings), encoders, decoders)


def networks(other: Any, model: MVAE | JMVAE) -> dict[str, Tensor]:
    """Give the weights of a wrapped model under the names that the model itself has for them."""
    nets = nn.ModuleDict(
        {
            "encoders": nn.ModuleList(other.encoders[m.name].net for m in model.modalities),
            "decoders": nn.ModuleList(other.decoders[m.name].net for m in model.modalities),
        }
    )
    if isinstance(model, JMVAE):
        nets["joint"] = other.joint_encoder.net
    return dict(nets.state_dict())


def one_hot(batch: Batch, model: MVAE | JMVAE) -> MultimodalBaseDataset:
    """Give samples as MultiVae reads them: labels one-hot."""
    values = zip(model.modalities, batch.values.items(), strict=True)
    return MultimodalBaseDataset(
        {
            name: nn.functional.one_hot(x, m.shape[0]).float() if m.kind == "label" else x
            for m, (name, x) in values
        }
    )
