"""Every training objective that a config can name."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from mvae.models.bivcca import BiVCCAObjective
from mvae.models.cvae import CVAEObjective
from mvae.models.dae import DAEObjective
from mvae.models.dbm import DBMObjective
from mvae.models.deep_rbm import DeepRBMObjective
from mvae.models.encoder_decoder import EncoderDecoderObjective
from mvae.models.jmvae import JMVAEObjective
from mvae.models.mmvae import MMVAEObjective
from mvae.models.mopoe import MoPoEObjective
from mvae.models.mvae_q import MVAEQObjective
from mvae.models.mvtcae import MVTCAEObjective
from mvae.models.objectives import (
    Covering,
    Denoising,
    Joint,
    Objective,
    Singles,
    SubSampled,
)
from mvae.models.rbm import RBMObjective
from mvae.models.vae import VAEObjective

__all__ = ["OBJECTIVES", "AnyObjective"]

#: All objectives. Each has a name of its own, by which config.json chooses it.
OBJECTIVES: tuple[type[Objective], ...] = (
    Joint,
    Singles,
    SubSampled,
    Denoising,
    Covering,
    VAEObjective,
    CVAEObjective,
    BiVCCAObjective,
    EncoderDecoderObjective,
    JMVAEObjective,
    MVAEQObjective,
    MMVAEObjective,
    MoPoEObjective,
    MVTCAEObjective,
    DAEObjective,
    RBMObjective,
    DBMObjective,
    DeepRBMObjective,
)

if TYPE_CHECKING:
    # To a type checker a union that is computed is no type; the members' base class is one.
    AnyObjective = Objective
else:
    AnyObjective = Annotated[reduce(or_, OBJECTIVES), Field(discriminator="name")]
