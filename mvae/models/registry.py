"""Every training objective that a config can name."""

from __future__ import annotations

from typing import Annotated

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
from mvae.models.objectives import Covering, Denoising, Joint, Singles, SubSampled
from mvae.models.rbm import RBMObjective
from mvae.models.vae import VAEObjective

__all__ = ["AnyObjective"]

#: The objectives that config.json may contain, distinguished by their names.
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
