"""A local bound: the largest ball on which linear relaxation proves the prediction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from harness.api import Subject
from harness_bounds.bound import Bound
from harness_bounds.region import Norm

if TYPE_CHECKING:
    from torch import fx

MOST_HALVINGS = 200
"""Beyond, the smallest radius means nothing."""
MOST_REFINEMENTS = 50
"""Beyond, a float64 cannot be halved any further."""


class Certified(Bound):
    """The largest radius, by bisection, at which every rival's logit is proved to stay below.

    Of the network in exact arithmetic, on images in [0, 1]: relaxed from the back (CROWN, Zhang et
    al. 2018, arXiv 1811.00866), on ranges by intervals (as CROWN-IBP, Zhang et al. 2020, arXiv
    1906.06316) or by relaxation too. No attack can be below it.

    Numbers, for each norm: ``<norm>.score``, in pixel space; 0 where no radius is certified.
    """

    ranges: Literal["intervals", "relaxed"] = Field(
        "intervals", description="of what ReLUs take; relaxed is tighter, for tiny networks"
    )
    halvings: int = Field(
        40,
        ge=1,
        le=MOST_HALVINGS,
        description="of the whole pixel range, down to the smallest radius",
    )
    refinements: int = Field(
        6, ge=0, le=MOST_REFINEMENTS, description="bisections between two halvings"
    )

    def bound(self, graph: fx.GraphModule, subject: Subject, norm: Norm) -> Mapping[str, float]:
        from harness_bounds.certificates import Certificate

        certificate = Certificate.of(graph, subject, norm, refine=self.ranges == "relaxed")
        return {"score": certificate.largest(self.halvings, self.refinements)}
