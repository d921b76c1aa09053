import torch
from pydantic import Field

from harness.api import Access, Attack, Norm


class Noise(Attack):
    """Random signs of size epsilon; the draw with the lowest true logit is kept."""

    norm = Norm.LINF
    access = Access.SCORES
    stochastic = True

    epsilon: float = Field(0.1, gt=0, description="radius of the linf ball")
    draws: int = Field(3, ge=1, description="how many signs are tried")

    @property
    def budget(self):
        return self.epsilon

    def perturb(self, target, batch):
        best, lowest = batch.images, target.logits(batch.images).gather(1, batch.labels[:, None])
        for draw in range(self.draws):
            trial = (batch.images + self.epsilon * batch.noise(draw).sign()).clamp(0, 1)
            logit = target.logits(trial).gather(1, batch.labels[:, None])
            lower = logit < lowest
            best = torch.where(lower[:, :, None, None], trial, best)
            lowest = torch.minimum(lowest, logit)
        return best
