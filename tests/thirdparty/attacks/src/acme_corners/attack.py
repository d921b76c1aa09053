import torch
from pydantic import Field

from harness.api import Access, Attack, Goal, Norm


class Corners(Attack):
    """Random corners of the linf ball; the one with the lowest true logit is kept."""

    norm = Norm.LINF
    access = Access.SCORES
    stochastic = True
    goals = frozenset({Goal.UNTARGETED})

    epsilon: float = Field(0.1, gt=0, description="radius of the linf ball")
    draws: int = Field(4, ge=1, description="how many corners are tried")

    @property
    def budget(self):
        return self.epsilon

    def perturb(self, target, batch):
        best, lowest = batch.images, target.logits(batch.images).gather(1, batch.labels[:, None])
        for draw in range(self.draws):
            corner = (batch.images + self.epsilon * batch.noise(draw).sign()).clamp(0, 1)
            logit = target.logits(corner).gather(1, batch.labels[:, None])
            best = torch.where((logit < lowest)[:, :, None, None], corner, best)
            lowest = torch.minimum(lowest, logit)
        return best
