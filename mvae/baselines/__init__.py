"""Baselines on the common interface, a file each; and every objective that a config can name."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mvae.baselines.bivcca import BiVCCAObjective
from mvae.baselines.cvae import CVAEObjective
from mvae.baselines.dae import DAEObjective
from mvae.baselines.dbm import DBMObjective
from mvae.baselines.deep_rbm import DeepRBMObjective
from mvae.baselines.encoder_decoder import EncoderDecoderObjective
from mvae.baselines.jmvae import JMVAEObjective
from mvae.baselines.mmvae import MMVAEObjective
from mvae.baselines.mopoe import MoPoEObjective
from mvae.baselines.mvae_q import MVAEQObjective
from mvae.baselines.mvtcae import MVTCAEObjective
from mvae.baselines.rbm import RBMObjective
from mvae.baselines.vae import VAEObjective
from mvae.objective import Covering, Denoising, Joint, Singles, SubSampled

__all__ = ["AnyObjective"]

#: What config.json may hold; the name says which.
AnyObjective = Annotated[
    Joint
    | Singles
    | SubSampled
    | Denoising
    | Covering
    | VAEObjective
    | CVAEObjective
    | BiVCCAObjective
    | EncoderDecoderObjective
    | JMVAEObjective
    | MVAEQObjective
    | MMVAEObjective
    | MoPoEObjective
    | MVTCAEObjective
    | DAEObjective
    | RBMObjective
    | DBMObjective
    | DeepRBMObjective,
    Field(discriminator="name"),
]
