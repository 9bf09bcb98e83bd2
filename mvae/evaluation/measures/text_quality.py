"""How good the texts are that a model says: BLEU, chrF, and what a token costs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mvae.distributions.autoregressive import said
from mvae.evaluation.accuracy import told
from mvae.evaluation.measures.accuracy import TEXTS
from mvae.evaluation.measures.base import (
    SOME,
    ConditioningSet,
    EvaluationContext,
    Measure,
    Scored,
    figure,
)
from mvae.evaluation.step_cache import Step, StepCache
from mvae.kinds.tokens import decode
from mvae.modality import Modality

__all__ = ["TextQuality"]

#: Times that the samples are drawn anew for the standard error of a score of all of them.
RESAMPLED = 200


class TextQuality(Measure):
    r"""For each text that is not supplied, in every conditioning set in which it can be generated.

    - *BLEU* and *chrF* of all texts together, by sacrebleu: Papineni et al. 2002,
      https://aclanthology.org/P02-1040; Popović 2015, https://aclanthology.org/W15-3049; BLEU
      counts up to four words in a row, so it is left out where each text is but one;
    - *per token*: :math:`\frac{1}{T}\log\frac1N\sum_n p(x|h_n)` in nats, the end being a token.
    """

    name = "text-quality"
    kinds = ("per_token", "bleu", "chrf")

    def steps(self, context: EvaluationContext) -> Iterator[Step]:
        """Say the texts of some samples in parts."""
        for m, conditioning_set in context.told(lambda m: m.is_text):
            for part, rows in enumerate(context.parts(SOME)):
                run = partial(say, context, m, conditioning_set, rows, part)
                yield Step(
                    f"texts {conditioning_set.key}->{m.name}", part, TEXTS * context.steps, run
                )

    def figures(self, context: EvaluationContext, cache: StepCache) -> dict[str, Any]:
        """Score what was said, with standard errors by drawing the samples anew."""
        result: dict[str, Any] = {}
        for m, conditioning_set in context.told(lambda m: m.is_text):
            done = cache.of(f"texts {conditioning_set.key}->{m.name}")
            key = f"{conditioning_set.key}->{m.name}"
            result.setdefault("per_token", {})[key] = figure(done["per_token"])
            known = [decode(x, m) for x in context.test.values[m.name][: len(done["said"])]]
            found = [decode(x, m) for x in done["said"]]
            words = any(" " in text for text in known)
            for kind, x in corpus_scores(found, known, context.seed).items():
                if kind != "bleu" or words:
                    result.setdefault(kind, {})[key] = x
        return result

    def protocol(self, context: EvaluationContext) -> dict[str, str | int | float]:
        """Say which texts were scored, and how."""
        if not any(m.is_text for m in context.annotations):
            return {}
        n = min(SOME, len(context.test))
        return {
            "texts": f"{n} test samples; the likeliest of the texts that {TEXTS} draws of what is "
            "hidden say token by token; BLEU and chrF of all together by sacrebleu, its tokens "
            f"(13a); standard errors over {RESAMPLED} bootstrap samples; per token: log mean of "
            f"p(x|hidden) over {TEXTS} draws over the number of sub-word tokens, the end included"
        }


@torch.no_grad()
def say(
    context: EvaluationContext,
    m: Modality,
    conditioning_set: ConditioningSet,
    rows: slice,
    part: int,
    _: torch.Generator,
) -> dict[str, Tensor]:
    """Say texts, and score the samples' own by what a token costs."""
    whole = context.test[rows]
    p = context.model.generate(
        conditioning_set[rows].of(whole), TEXTS, context.seed + part, [m.name]
    )[m.name]
    own = whole.values[m.name]
    log_p = p.log_prob(own).logsumexp(0) - math.log(TEXTS)
    return {"said": told(m, p), "per_token": log_p / said(own).sum(-1)}


def corpus_scores(found: list[str], known: list[str], seed: int) -> dict[str, Scored]:
    """Return BLEU and chrF of all texts together, from 0 to 100, with bootstrap standard errors.

    The same samples are drawn anew for every model, so that the bootstrap pairs models too: its
    scores, spread so that their standard error is the bootstrap's, stand for values of samples.
    """
    # Imported here: only an evaluation needs it.
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    generator = torch.Generator().manual_seed(seed)
    again = torch.randint(len(found), (RESAMPLED, len(found)), generator=generator).tolist()
    result = {}
    for kind, metric in (("bleu", BLEU()), ("chrf", CHRF())):
        resampled = [
            metric.corpus_score([found[i] for i in rows], [[known[i] for i in rows]]).score
            for rows in again
        ]
        drawn = torch.tensor(resampled, dtype=torch.float64)
        score = metric.corpus_score(found, [known]).score
        result[kind] = Scored(
            {"mean": round(score, 3), "se": round(drawn.std().item(), 3), "n": len(found)},
            round(score, 3) + (drawn - drawn.mean()) * RESAMPLED**0.5,
        )
    return result
