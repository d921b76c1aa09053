"""APGD as Croce & Hein 2020 print it: one image, one loop, gradients of the loss by autograd."""

from __future__ import annotations

import math

import torch
from torch import nn


def loss_of(name, logits, label, target, targeted):
    """Croce & Hein 2020, section 4; for targeted goals the target's margin over equation 7's width.

    Of three classes the second and the third are what the third and the fourth are of more.
    """
    z = logits[0]
    order = z.sort(descending=True).values
    if name == "ce":
        own = target if targeted else label
        value = nn.functional.cross_entropy(logits, torch.tensor([own]))
        return -value if targeted else value
    width = order[0] - order[:4][-2:].sum() / 2
    if name == "targeted-dlr":
        return (z[target] - z[label]) / width
    own = target if targeted else label
    others = torch.cat((z[:own], z[own + 1 :])).max()
    if targeted:
        return (z[own] - others) / width
    return (others - z[own]) / (order[0] - order[2])


def project(x, original, norm, epsilon):
    if norm == "linf":
        return (original + (x - original).clamp(-epsilon, epsilon)).clamp(0, 1)
    delta = x - original
    delta = delta * min(1.0, epsilon / float(delta.norm()))
    return (original + delta).clamp(0, 1)


def apgd(model, original, start, *, label, target, targeted, norm, epsilon, steps, loss):
    """The first point that reaches the goal, or the one of the highest loss; and the gradients."""

    def look(x):
        x = x.detach()[None].requires_grad_(True)
        logits = model.forward(x)
        value = loss_of(loss, logits, label, target, targeted)
        (gradient,) = torch.autograd.grad(value, x)
        predicted = logits.argmax(1).item()
        won = predicted == target if targeted else predicted != label
        return value.item(), gradient[0], won

    p, checkpoints = [0.0, 0.22], []
    while p[-1] <= 1:
        checkpoints.append(math.ceil(round(p[-1] * steps, 9)))
        p.append(p[-1] + max(p[-1] - p[-2] - 0.03, 0.06))
    eta, x, previous = 2 * epsilon, start, start
    value, gradient, won = look(x)
    if won:
        return x, 1
    best, best_value, best_gradient = x, value, gradient
    last_value, rises, last_check, halved, checked = value, 0, 0, False, -math.inf
    for k in range(steps):
        steepest = gradient.sign() if norm == "linf" else gradient / gradient.norm()
        z = project(x + eta * steepest, original, norm, epsilon)
        alpha = 0.75 if k else 1.0
        new = x + alpha * (z - x) + (1 - alpha) * (x - previous)
        x, previous = project(new, original, norm, epsilon), x
        value, gradient, won = look(x)
        if won:
            return x, k + 2
        if value > best_value:
            best, best_value, best_gradient = x, value, gradient
        rises += value > last_value
        last_value = value
        if k + 1 in checkpoints and k + 1 > last_check:
            few = rises < 0.75 * (k + 1 - last_check)
            halve = few or (not halved and best_value <= checked)
            if halve:
                eta, x, gradient = eta / 2, best, best_gradient
            halved, checked, rises, last_check = halve, best_value, 0, k + 1
    return best, steps + 1
