"""Encoders and decoders: convolutions of any size, and what a model of every kind can do."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from mvae.batch import Batch
from mvae.kinds.layers import convolved
from mvae.kinds.networks import Decoder, Encoder
from mvae.modality import Modality
from mvae.models.mvae import MVAE
from mvae.models.objectives import Covering, SubSampled, elbo
from tests.reference import seeded

PHOTO = Modality(
    name="photo",
    kind="image",
    shape=(3, 11, 14),
    likelihood="bernoulli-cross-entropy",
    convolutions=(4, 6),
    hidden=(8,),
)
TAGS = Modality(
    name="tags", kind="tags", shape=(2,), likelihood="bernoulli", categories=("red", "round")
)
TEXT = Modality(
    name="text",
    kind="text",
    shape=(4,),
    likelihood="autoregressive",
    categories=("", "a", "b"),
    hidden=(8, 6),
)
KINDS = (PHOTO, TAGS, TEXT)


def batch_of(n: int) -> Batch:
    source = seeded()
    return Batch.of(
        KINDS,
        {
            "photo": torch.rand(n, *PHOTO.shape, generator=source),
            "tags": torch.randint(2, (n, 2), generator=source).float(),
            "text": torch.randint(3, (n, 4), generator=source),
        },
    )


@pytest.mark.parametrize("size", [(28, 28), (50, 50), (7, 5), (32, 17)], ids=str)
@pytest.mark.parametrize(("likelihood", "numbers"), [("bernoulli", 1), ("gaussian", 2)])
def test_a_decoder_mirrors_the_convolutions_of_its_encoder(size, likelihood, numbers):
    photo = PHOTO.model_copy(update={"shape": (3, *size), "likelihood": likelihood})
    encoder, decoder = Encoder(photo, 2), Decoder(photo, 2)
    assert encoder(torch.rand(5, 3, *size)).shape == (5, 2)
    assert decoder(torch.randn(2, 5, 2)).mean.shape == (2, 5, 3, *size)
    small = decoder.net.small
    assert small == convolved((3, *size), photo.convolutions)[-1]
    assert decoder.net.grow[-1].out_channels == 3 * numbers


def test_a_convolution_sees_a_shifted_picture_as_a_shifted_picture():
    """Unlike a linear layer it has the same weights everywhere."""
    first = Encoder(PHOTO.model_copy(update={"shape": (3, 32, 32)}), 2).first[0]
    picture = torch.zeros(1, 3, 32, 32)
    picture[..., 8:12, 8:12] = torch.rand(3, 4, 4, generator=seeded())
    shifted = picture.roll((6, 4), (-2, -1))  # half as far after one halving
    torch.testing.assert_close(first(shifted), first(picture).roll((3, 2), (-2, -1)))


def test_a_model_of_every_kind_learns_from_every_kind():
    torch.manual_seed(0)
    model, batch = MVAE(KINDS, 3), batch_of(6)
    for objective in (SubSampled(k=1), Covering(rho=1.0)):
        model.zero_grad()
        objective(model, batch, generator=seeded()).backward()
        for name, weight in model.named_parameters():
            assert weight.grad is not None, name
            assert weight.grad.isfinite().all(), name
            assert weight.grad.abs().sum() > 0, name


def test_missing_tags_and_texts_are_left_out():
    torch.manual_seed(0)
    model, batch = MVAE(KINDS, 3), batch_of(6)
    given = batch.supply(["photo"])
    other = Batch({**batch.values, "text": batch.values["text"].roll(1, 0)}, given.present)
    with torch.no_grad():
        assert torch.equal(elbo(model, given, seeded()), elbo(model, other, seeded()))
        assert not torch.equal(elbo(model, batch, seeded()), elbo(model, given, seeded()))


def test_reading_back_takes_turns_among_what_is_said_in_words():
    model, batch = MVAE(KINDS, 3), batch_of(6)
    seen = []
    decode = model.decode

    def watched(z, name):
        seen.append(name)
        return decode(z, name)

    model.decode = watched
    read = Covering(gamma=0, kappa=0, rho=1.0)
    plain = Covering(gamma=0, kappa=0)
    last = set()
    for seed in range(8):
        for objective in (plain, read):
            seen.clear()
            objective(model, batch, generator=seeded(seed))
        last.add(seen[-1])
    assert last == {"tags", "text"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"kind": "tags", "likelihood": "gaussian"}, "Bernoulli"),
        ({"kind": "tags", "categories": ()}, "need names"),
        ({"kind": "tags", "categories": ("one",)}, "1 category names for 2"),
        ({"kind": "text"}, "must be autoregressive, not Bernoulli"),
        ({"kind": "tags", "shape": (1, 2)}, "one number"),
        (
            {"kind": "vector", "convolutions": (4,), "categories": ()},
            "has no convolutions: only",
        ),
        ({"grid": (1, 2)}, "of kind tags has no grid: only vector"),
    ],
)
def test_modalities_that_make_no_sense_are_refused_with_a_sentence(change, sentence):
    with pytest.raises(ValidationError, match=sentence):
        Modality.model_validate(TAGS.model_dump() | change)


def test_a_text_needs_an_even_width_and_tokens_that_exist():
    with pytest.raises(ValidationError, match="even"):
        Modality.model_validate(TEXT.model_dump() | {"hidden": (7,)})
    with pytest.raises(ValueError, match="an index from 0 to 2"):
        Batch.of(KINDS, {"text": torch.tensor([[0, 1, 2, 3]])})
