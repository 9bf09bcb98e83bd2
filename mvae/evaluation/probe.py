"""Linear probe: how much of a label can be read off the posterior mean by straight lines."""

from __future__ import annotations

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.models.base import LatentModel

__all__ = ["linear_probe"]

#: Iterations of the solver; on scaled latents it is done before, after some hundreds at most.
ITERATIONS = 2000


@torch.no_grad()
def linear_probe(model: LatentModel, train: Batch, test: Batch, label: str) -> Tensor:
    r"""Say for which test samples a logistic regression on E_q[z|x_S] is right, float ``(B,)``.

    .. math:: \hat y = \arg\max_y w_y^\top E_{q(z|x_S)}[z] + b_y

    The regression is scikit-learn's, with its default L2 penalty, on latents that are divided by
    their standard deviations in the training samples. The model's own weights stay as they are.

    Args:
        model: has posteriors.
        train: samples on which w and b are learned, with what is supplied of them.
        test: samples on which they are judged, likewise.
        label: the modality that is to be told; its values are known in both.

    Raises:
        ValueError: if the model has no posterior given this subset, with its sentence, or if no
            modality has the label's name.
    """
    for batch in (train, test):
        batch.there(label)
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def means(batch: Batch) -> Tensor:
        return model.posterior(batch).mean

    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=ITERATIONS))
    probe.fit(means(train).numpy(), train.values[label].numpy())
    predicted = torch.from_numpy(probe.predict(means(test).numpy()))
    return (predicted == test.values[label]).float()
