"""Linear probe: how well a linear classifier predicts a label from the posterior mean."""

from __future__ import annotations

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.models.base import LatentModel

__all__ = ["linear_probe"]

#: Maximum iterations of the solver; on standardised latents it converges within a few hundred.
ITERATIONS = 2000


@torch.no_grad()
def linear_probe(model: LatentModel, train: Batch, test: Batch, label: str) -> Tensor:
    r"""Return the accuracy of a logistic regression on E_q[z|x_S], 1 or 0 for each test sample.

    .. math:: \hat y = \arg\max_y w_y^\top E_{q(z|x_S)}[z] + b_y

    The regression is that of scikit-learn, with its default L2 penalty, on latents standardised by
    the training samples. The weights of the model itself are not changed.

    Args:
        model: a model with posteriors.
        train: samples to fit w and b on, with the supplied modalities present.
        test: samples to predict, with the supplied modalities present.
        label: name of the label to predict; both batches have its values.

    Raises:
        ValueError: if the model has no posterior given this subset (the message is the model's), or
            if no modality has the name of the label.
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
