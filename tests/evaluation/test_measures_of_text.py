"""Figures of tags and texts, of models whose answers are known."""

from __future__ import annotations

import pytest
import torch

from mvae.batch import Batch
from mvae.checkpoint import ModelConfig
from mvae.distributions.gaussian import Gaussian
from mvae.distributions.likelihood import LIKELIHOODS
from mvae.evaluation.context import EvaluationContext
from mvae.evaluation.measures.accuracy import Accuracy
from mvae.evaluation.measures.retrieval import Retrieval
from mvae.evaluation.measures.text_quality import TextQuality, corpus_scores
from mvae.evaluation.step_cache import StepCache
from mvae.kinds.tokens import encode
from mvae.modality import Modality
from mvae.models.base import ExpertModel, MultimodalModel
from mvae.models.encoder_decoder import EncoderDecoder, EncoderDecoderObjective

LAMPS = Modality(name="lamps", kind="image", shape=(1, 1, 3), likelihood="gaussian")
TAGS = Modality(
    name="tags", kind="tags", shape=(3,), likelihood="bernoulli", categories=("a", "b", "c")
)
NUMBERS, LETTERS = (
    Modality(
        name=name,
        kind="text",
        shape=(5,),
        likelihood="autoregressive",
        categories=("", *signs),
        hidden=(16,),
    )
    for name, signs in (("numbers", "123"), ("letters", "xyz"))
)


class Lamps(ExpertModel):
    """A latent for each tag; a lamp of the picture shines where its tag is on."""

    reference = "a model whose figures are known"

    def __init__(self) -> None:
        MultimodalModel.__init__(self, (LAMPS, TAGS), 3)

    def experts(self, batch):
        mean = torch.stack((batch.values["lamps"].flatten(1), 4 * batch.values["tags"]))
        return Gaussian(mean, torch.full_like(mean, -6.0))

    def decode(self, z, name):
        if name == "tags":
            return LIKELIHOODS["bernoulli"].distribution(4 * (z - 2), (3,))
        return LIKELIHOODS["gaussian"].distribution(
            torch.cat((z, torch.zeros_like(z)), -1), (1, 1, 3)
        )


def measured(measure, model, batch, toy_config, folder):
    config = toy_config().model_dump() | {"modalities": model.modalities}
    context = EvaluationContext(
        model=model,
        config=ModelConfig.model_validate(config),
        test=batch,
        train=lambda: batch,
        valid=lambda: batch,
        classifier=None,
        n=len(batch),
        k=50,
        seed=0,
    )
    cache = StepCache(folder / "working.safetensors", {})
    for step in measure.steps(context):
        cache.run(step, 0)
    return measure.figures(context, cache)


@pytest.fixture
def lit() -> Batch:
    """Give every combination of tags but none of them, five times, and its picture."""
    tags = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3)[1:].repeat(5, 1)
    return Batch.of((LAMPS, TAGS), {"tags": tags, "lamps": 4 * tags.reshape(-1, 1, 1, 3)})


def test_tags_that_can_be_seen_are_found_and_find_their_pictures(lit, toy_config, tmp_path):
    found = measured(Retrieval(), Lamps(), lit, toy_config, tmp_path)
    assert found["average_precision"]["lamps->tags"]["mean"] == 1
    # Each tag is on in 20 of 35 samples; the item at rank k is one of them, and so is the same
    # share of the 19 others among those before it.
    chance = sum((1 + (k - 1) * 19 / 34) / k for k in range(1, 36)) / 35
    assert found["average_precision_chance"]["lamps->tags"]["mean"] == pytest.approx(
        chance, abs=1e-4
    )
    by_tags = found["average_precision"]["tags->lamps"]["mean"]
    assert by_tags > found["average_precision_chance"]["tags->lamps"]["mean"] + 0.1
    assert set(found["average_precision"]) == {"lamps->tags", "tags->lamps"}


def test_tags_that_cannot_be_seen_are_found_as_by_chance(lit, toy_config, tmp_path):
    dark = Batch.of((LAMPS, TAGS), {**lit.values, "lamps": torch.zeros(35, 1, 1, 3)})
    found = measured(Retrieval(), Lamps(), dark, toy_config, tmp_path)
    chance = found["average_precision_chance"]["lamps->tags"]["mean"]
    assert found["average_precision"]["lamps->tags"]["mean"] == pytest.approx(chance, abs=0.12)


def test_accuracy_of_tags_is_the_share_that_is_right(lit, toy_config, tmp_path):
    wrong = lit.values["tags"].clone()
    wrong[:, 0] = 1 - wrong[:, 0]
    batch = Batch.of((LAMPS, TAGS), {**lit.values, "tags": wrong})
    found = measured(Accuracy(), Lamps(), batch, toy_config, tmp_path)
    assert found["accuracy"]["lamps->tags"]["mean"] == pytest.approx(2 / 3, abs=1e-3)


@pytest.fixture(scope="module")
def translated() -> tuple[EncoderDecoder, Batch]:
    """Give a model that has learned to write a few numbers as letters."""
    numbers = ["1", "12", "123", "31", "2213", "3321"]
    values = {
        "numbers": torch.stack([encode(n, NUMBERS) for n in numbers]),
        "letters": torch.stack(
            [encode(n.translate(str.maketrans("123", "xyz")), LETTERS) for n in numbers]
        ),
    }
    batch = Batch.of((NUMBERS, LETTERS), values)
    torch.manual_seed(0)
    model, objective = EncoderDecoder((NUMBERS, LETTERS), 8), EncoderDecoderObjective()
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(150):
        optimiser.zero_grad()
        objective(model, batch).backward()
        optimiser.step()
    return model.eval(), batch


def test_a_model_that_has_learned_its_texts_says_them(translated, toy_config, tmp_path):
    model, batch = translated
    found = measured(TextQuality(), model, batch, toy_config, tmp_path)
    for direction in ("numbers->letters", "letters->numbers"):
        assert found["chrf"][direction] == {"mean": 100.0, "se": 0.0, "n": 6}
        assert -0.1 < found["per_token"][direction]["mean"] < 0
    assert "bleu" not in found  # of single words it would be 0, however right they are
    right = measured(Accuracy(), model, batch, toy_config, tmp_path)["accuracy"]
    assert right["numbers->letters"]["mean"] == 1


def test_per_token_counts_the_end_as_a_token(translated, toy_config, tmp_path):
    model, batch = translated
    other = Batch({**batch.values, "letters": batch.values["letters"].roll(1, 0)}, batch.present)
    found = measured(TextQuality(), model, other, toy_config, tmp_path)["per_token"][
        "numbers->letters"
    ]
    p = model.generate(other.supply(["numbers"]), 1)["letters"]
    lengths = torch.tensor([5, 2, 3, 4, 3, 5])  # of the rolled texts, with their ends
    expected = (p.log_prob(other.values["letters"])[0] / lengths).mean()
    assert found["mean"] == pytest.approx(expected.item(), abs=1e-3)


def test_scores_of_texts_have_errors_by_drawing_them_anew():
    known = ["the file could not be opened", "save as", "open the file", "close all windows"] * 5
    found = [*known[:10], *["nothing of the kind is here"] * 10]
    scores = corpus_scores(found, known, seed=0)
    assert 20 < scores["bleu"]["mean"] < 80
    assert 20 < scores["chrf"]["mean"] < 80
    assert 2 < scores["bleu"]["se"] < 20
    # Models are paired by what the bootstrap draws: who says the same is the same for certain.
    for kind, score in scores.items():
        assert score.per_sample.std() / len(score.per_sample) ** 0.5 == pytest.approx(
            score["se"], abs=1e-3
        )
        assert score.per_sample.mean() == pytest.approx(score["mean"], abs=1e-3)
        again = corpus_scores(found, known, seed=0)[kind]
        assert (score.per_sample - again.per_sample).std() == 0
        assert (score.per_sample - corpus_scores(found, known, seed=1)[kind].per_sample).std() > 0
    assert corpus_scores(known, known, seed=0)["bleu"] == {"mean": 100.0, "se": 0.0, "n": 20}
