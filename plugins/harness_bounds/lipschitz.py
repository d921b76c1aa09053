"""A global bound: the margin over the Lipschitz constant that the layers' norms multiply to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.api import Subject
from harness_bounds.bound import Bound
from harness_bounds.region import Norm

if TYPE_CHECKING:
    from torch import fx


class Lipschitz(Bound):
    """For each rival j the margin Z_c - Z_j over its Lipschitz constant; the smallest quotient.

    The constant is a product of operator norms along the network (Szegedy et al. 2014, section
    4.3), exact behind the last nonlinearity. It holds everywhere: no smaller perturbation changes
    the prediction; on deep networks it is far below any attack's.

    Numbers, for each norm: ``<norm>.score``, in pixel space, the limiting ``<norm>.class`` and its
    ``<norm>.constant``, in logits per distance.
    """

    def bound(self, graph: fx.GraphModule, subject: Subject, norm: Norm) -> Mapping[str, float]:
        from harness_bounds.certificates import limits

        score, rival, constant = limits(graph, subject, norm)
        return {"score": score, "class": rival, "constant": constant}
