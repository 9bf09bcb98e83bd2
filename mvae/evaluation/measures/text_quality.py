"""Quality of generated texts: BLEU, chrF and log-likelihood per token."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mvae.distributions.autoregressive import text_mask
from mvae.evaluation.accuracy import predict_value
from mvae.evaluation.conditioning_sets import ConditioningSet
from mvae.evaluation.context import GENERATED_SAMPLES, EvaluationContext
from mvae.evaluation.keys import FigureKey
from mvae.evaluation.measures.accuracy import TEXT_DRAWS
from mvae.evaluation.measures.base import Measure
from mvae.evaluation.scored_figure import ScoredFigure, figure
from mvae.evaluation.step_cache import Step, StepCache
from mvae.kinds.tokens import decode
from mvae.modality import Modality

__all__ = ["TextQuality"]

#: Number of bootstrap samples for the standard errors of corpus scores.
N_BOOTSTRAP = 200


class TextQuality(Measure):
    r"""Quality of each text that is not supplied, given every set that can generate it.

    - *BLEU* and *chrF* of the corpus, by sacrebleu: Papineni et al. 2002,
      https://aclanthology.org/P02-1040; Popović 2015, https://aclanthology.org/W15-3049. BLEU
      counts sequences of up to four words, so it is left out if every text is a single word;
    - *per token*: :math:`\frac{1}{T}\log\frac1N\sum_n p(x|h_n)` in nats; the end counts as a token.
    """

    name = "text-quality"
    kinds = ("per_token", "bleu", "chrf")

    def steps(self, context: EvaluationContext) -> Iterator[Step]:
        """Yield a step for each text, conditioning set and part of the samples."""
        for m, conditioning_set in context.predictable(lambda m: m.is_text):
            key = FigureKey("bleu", conditioning_set.given, (m.name,))
            for part, rows in enumerate(context.parts(GENERATED_SAMPLES)):
                run = partial(generate_texts, context, m, conditioning_set, rows, part)
                yield Step(f"text quality {key}", part, TEXT_DRAWS * context.steps_per_draw, run)

    def figures(self, context: EvaluationContext, cache: StepCache) -> dict[str, Any]:
        """Return scores of the generated texts, with standard errors by the bootstrap."""
        result: dict[str, Any] = {}
        for m, conditioning_set in context.predictable(lambda m: m.is_text):
            key = str(FigureKey("bleu", conditioning_set.given, (m.name,)))
            results = cache.results(f"text quality {key}")
            result.setdefault("per_token", {})[key] = figure(results["per_token"])
            generated = [decode(x, m) for x in results["generated"]]
            own = context.test.values[m.name][: len(generated)]
            references = [decode(x, m) for x in own]
            words = any(" " in text for text in references)
            for kind, x in corpus_scores(generated, references, context.seed).items():
                if kind != "bleu" or words:
                    result.setdefault(kind, {})[key] = x
        return result

    def protocol(self, context: EvaluationContext) -> dict[str, str | int | float]:
        """Return which texts are scored, and how."""
        if not any(m.is_text for m in context.annotations):
            return {}
        n = min(GENERATED_SAMPLES, len(context.test))
        return {
            "texts": f"{n} test samples; the likeliest of the texts that {TEXT_DRAWS} draws of "
            "what is hidden say token by token; BLEU and chrF of all together by sacrebleu, its "
            f"tokens (13a); standard errors over {N_BOOTSTRAP} bootstrap samples; per token: log "
            f"mean of p(x|hidden) over {TEXT_DRAWS} draws over the number of sub-word tokens, the "
            "end included"
        }


@torch.no_grad()
def generate_texts(
    context: EvaluationContext,
    m: Modality,
    conditioning_set: ConditioningSet,
    rows: slice,
    part: int,
    _: torch.Generator,
) -> dict[str, Tensor]:
    """Generate texts, and compute the log-likelihood per token of the samples' own texts."""
    samples = context.test[rows]
    p = context.model.generate(
        conditioning_set[rows].restrict(samples), TEXT_DRAWS, context.seed + part, [m.name]
    )[m.name]
    targets = samples.values[m.name]
    log_p = p.log_prob(targets).logsumexp(0) - math.log(TEXT_DRAWS)
    return {"generated": predict_value(m, p), "per_token": log_p / text_mask(targets).sum(-1)}


def corpus_scores(
    generated: list[str], references: list[str], seed: int
) -> dict[str, ScoredFigure]:
    """Return BLEU and chrF of the corpus, from 0 to 100, with bootstrap standard errors.

    The bootstrap draws the same samples for every model, so that models can be compared in pairs:
    its scores, rescaled to have the bootstrap's standard error, take the place of values of single
    samples.
    """
    # Imported here, as only evaluation needs it.
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    generator = torch.Generator().manual_seed(seed)
    resamples = torch.randint(
        len(generated), (N_BOOTSTRAP, len(generated)), generator=generator
    ).tolist()
    result = {}
    for kind, metric in (("bleu", BLEU()), ("chrf", CHRF())):
        resampled = [
            metric.corpus_score([generated[i] for i in rows], [[references[i] for i in rows]]).score
            for rows in resamples
        ]
        drawn = torch.tensor(resampled, dtype=torch.float64)
        score = metric.corpus_score(generated, [references]).score
        result[kind] = ScoredFigure(
            {"mean": round(score, 3), "se": round(drawn.std().item(), 3), "n": len(generated)},
            round(score, 3) + (drawn - drawn.mean()) * N_BOOTSTRAP**0.5,
        )
    return result
