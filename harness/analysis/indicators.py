"""Failure indicators: what says that a model's numbers overstate, or misstate, its robustness.

Each is a rule on stored numbers with its reason; `RULES` explains them. They are those of Pintor et
al. (2022, Indicators of Attack Failure, arXiv 2106.09947), of AutoAttack's own checks (Croce and
Hein 2020, arXiv 2003.01690, and its checks.py), and of the sanity tests of Athalye et al. (2018,
Obfuscated Gradients, arXiv 1802.00420) and Carlini et al. (2019, arXiv 1902.06705).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from harness.api.trial import ModelTrial

ENOUGH = 20
"""The fewest images for which an accuracy is judged."""

GRADIENT_ERROR = 0.5
"""Of its length; the largest measured on a sound network is .26, a missing half gives .7."""

NEARBY = 0.1
"""Of the largest logit; sound networks stay below .001."""

HUGE = 100.0
"""Of a margin in logits: beyond 104 the smaller of two softmax values is 0 in float32."""

LATE_GAIN, LATE_SHARE = 0.1, 0.1
"""An image's loss still rises where a tenth of its whole gain came in the last tenth of the
iterations, as on a straight line; more than a tenth of the robust images do."""

FAILING, FEWEST = 0.05, 2
"""The share of images, and their number, from which an unbounded attack is said to fail."""


BEATEN = 0.02
"""The share of images, from which an attack without gradients beats one with them. AutoAttack's
check takes .2 points, but of a worst case over four attacks and on 1,000 images."""

TRANSFERRED = 0.05
"""The same for another model's adversarial examples."""

NEARER = 1.1
"""How many times farther than another way an attack without a budget must end to be beaten."""

CHANGED = 0.1
"""The share of images by which success falls with the budget or rises with more iterations, and the
share by which a median distance shrinks with these, from which it is said."""

SURE = 0.05
"""The p-value of McNemar's test below which two successes on the same images differ."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What an indicator of this name says.

    Attributes:
        rule: when it is raised.
        means: what it does to the numbers.
        advice: what to do about it.
        source: where it is from.
    """

    rule: str
    means: str
    advice: str
    source: str


_PINTOR, _AUTOATTACK = "Pintor et al. 2022", "AutoAttack's checks.py"
_ATHALYE, _CARLINI = "Athalye et al. 2018, section 3.1", "Carlini et al. 2019"

RULES: Mapping[str, Rule] = {
    "zero-gradients": Rule(
        "an attack's first gradient is exactly zero on some image",
        "the attack has no direction there: a robust verdict says nothing",
        "attack the logits' margin instead of a saturated loss; replace what has no slope by a"
        " smooth stand-in; add an attack that needs no gradients",
        f"{_PINTOR}, I1; {_AUTOATTACK}, check_zero_gradients",
    ),
    "lost-gradients": Rule(
        "a gradient of the attack, or the logits that it is of, held NaN or infinity on some image",
        "the attack lost its way there: a robust verdict says little",
        "find what divides by zero or takes the root of zero in the model; add an attack that needs"
        " no gradients",
        f"{_PINTOR}, I1",
    ),
    "wrong-gradients": Rule(
        f"a margin's gradient is off its difference quotients by more than {GRADIENT_ERROR:g} of"
        " its length",
        "gradient attacks follow another function than the one that is attacked",
        "look for detached parts, custom backward passes and rounding in the model; add an attack"
        " that needs no gradients",
        f"{_ATHALYE} (shattered gradients); the difference quotients are the harness's own",
    ),
    "unstable": Rule(
        f"changing every pixel value by 1e-4 moves a logit by more than {NEARBY:g} of the largest"
        " one",
        "the model reacts to what no image file can hold; a loss says little about what is near it",
        "look for a lookup of known images, a threshold or a hash in the model; judge it on images"
        " with a little noise",
        f"{_PINTOR}, I2",
    ),
    "non-deterministic": Rule(
        "the logits of two equal passes differ by more than 0.001 of the largest one",
        "verdicts change from pass to pass, and gradients are those of one draw",
        "average gradients over many draws, and judge the expected prediction",
        f"{_PINTOR}, I2; {_AUTOATTACK}, check_randomized",
    ),
    "probabilities": Rule(
        "the outputs of every image lie in [0, 1] and sum to one",
        "margins, confidences and losses assume logits: gradients are squashed",
        "have the model return the input of the softmax",
        f"{_AUTOATTACK}, check_range_output",
    ),
    "log-probabilities": Rule(
        "the exponentials of every image's outputs sum to one",
        "nothing for margins, which are those of logits",
        "nothing, unless an attack takes the size of logits to mean something",
        f"{_AUTOATTACK}, check_range_output",
    ),
    "huge-logits": Rule(
        f"the median margin of correctly classified images is above {HUGE:g} logits",
        "the softmax saturates in float32: cross-entropy has no gradient left",
        "divide the logits by a constant, or attack the margin or its ratio (DLR)",
        "Carlini and Wagner 2017, section V (defensive distillation)",
    ),
    "dynamic": Rule(
        "the forward pass computes gradients of its own",
        "the model optimises at test time, which gradients through it may not see",
        "attack an adaptive way: differentiate through the optimisation, or transfer",
        f"{_AUTOATTACK}, check_dynamic",
    ),
    "still-rising": Rule(
        f"on more than {LATE_SHARE:.0%} of the robust images, at least {FEWEST}, the last tenth of"
        f" the iterations made more than {LATE_GAIN:g} of the loss's gain",
        "the attack was stopped on its way: more iterations would break more",
        "give it more iterations, or larger steps",
        f"{_PINTOR}, I4",
    ),
    "unconverged": Rule(
        "the same attack with more iterations, restarts and the like (whole numbers alone differ)"
        f" breaks more images, by more than {CHANGED:.0%} of them and with p < {SURE:g} (McNemar),"
        f" or ends at a median distance that is more than {CHANGED:.0%} smaller",
        "what the shorter one found is not the model's robustness",
        "report the longer one, and check that a still longer one changes nothing",
        f"{_PINTOR}, I4; {_CARLINI}, section 4.6",
    ),
    "beaten-by-black-box": Rule(
        f"an attack without gradients breaks more than {BEATEN:.0%} of the images, at least"
        f" {FEWEST}, within a budget at which one with gradients fails, or at a distance"
        f" {NEARER:g} times smaller",
        "gradients mislead the attack, which overstates robustness",
        "report the worst case of both; look for what hides the gradients",
        f"{_ATHALYE}; {_AUTOATTACK}, check_square_sr",
    ),
    "beaten-by-transfer": Rule(
        f"other models' adversarial examples break more than {TRANSFERRED:.0%} of the images, at"
        f" least {FEWEST}, within a budget at which the attack on the model itself fails, or at a"
        f" distance {NEARER:g} times smaller",
        "gradients mislead the attack, which overstates robustness",
        "report the worst case of both; attack through a stand-in with good gradients",
        f"{_PINTOR}, F5; {_CARLINI}, section 4.4",
    ),
    "success-falls": Rule(
        "the same attack breaks fewer images at a larger budget, by more than"
        f" {CHANGED:.0%} of them and with p < {SURE:g} (McNemar)",
        "a larger ball holds the smaller one's successes: the attack misses them",
        "keep the best point rather than the last, lower the step size, add restarts",
        f"{_ATHALYE}; {_CARLINI}, section 4.7",
    ),
    "unbounded-failure": Rule(
        f"an untargeted attack with gradients and without a budget fails on more than {FAILING:.0%}"
        f" of the images, at least {FEWEST}",
        "without a bound every image can be made any other: the attack fails, not the attacker",
        "give it more iterations and a larger constant; look for what hides the gradients",
        f"{_PINTOR}, I6; {_ATHALYE}",
    ),
    "accuracy": Rule(
        "the accuracy cannot be told from chance, or is below half of the published one",
        "the model is not the one that it is taken for",
        "check its preprocessing and the order of its classes",
        "the harness's own",
    ),
}
"""By name, the model's own first."""


@dataclass(frozen=True, slots=True)
class Indicator:
    """One reason to doubt a model's numbers.

    Attributes:
        name: one of `RULES`.
        attack: the label of the attack whose numbers it is about; None: the model's own.
        evidence: the numbers that raised it, by name.
        says: the same in one line.
    """

    name: str
    model: str
    attack: str | None
    says: str
    evidence: Mapping[str, float] = field(default_factory=dict)

    @property
    def rule(self) -> Rule:
        return RULES[self.name]


def distinct(found: Iterable[Indicator]) -> tuple[Indicator, ...]:
    """Each once, in their order: several leaderboards may say the same of a model."""
    return tuple({(each.name, each.model, each.says): each for each in found}.values())


def of_trial(model: str, trial: ModelTrial) -> list[Indicator]:
    """What a model's trial found."""
    found = []

    def raised(name: str, says: str, **evidence: float) -> None:
        found.append(Indicator(name, model, None, says, evidence))

    if not trial.deterministic:
        raised(
            "non-deterministic",
            f"the logits of two equal passes differ by {trial.difference:.2g} of the largest one,"
            " so verdicts may change from pass to pass",
            difference=trial.difference,
        )
    elif trial.nearby is not None and trial.nearby > NEARBY:
        raised(
            "unstable",
            f"changing the pixels by 1e-4 moves a logit by {trial.nearby:.2g} of the largest one",
            nearby=trial.nearby,
        )
    error = trial.gradient_error
    if trial.deterministic and error is not None and error > GRADIENT_ERROR:
        raised(
            "wrong-gradients",
            f"gradients are off the difference quotients by {error:.2g} of their length",
            gradient_error=error,
        )
    if trial.outputs == "probabilities":
        raised(
            "probabilities",
            "its outputs are probabilities: margins, confidences and losses assume logits; have it"
            " return the input of the softmax",
        )
    if trial.outputs == "log-probabilities":
        raised(
            "log-probabilities",
            "its outputs are log-probabilities: margins are the same as for logits",
        )
    if trial.dynamic:
        raised("dynamic", "its forward pass computes gradients of its own")
    return found


def of_margins(model: str, margins: Sequence[float]) -> list[Indicator]:
    """Whether the clean margins of correctly classified images are too large for float32."""
    typical = median(margins) if margins else 0.0
    if typical <= HUGE:
        return []
    says = (
        f"the median margin of its clean predictions is {typical:.3g} logits: the softmax"
        " saturates, and cross-entropy loses its gradient"
    )
    return [Indicator("huge-logits", model, None, says, {"median_margin": typical})]


def of_gradients(
    model: str, attack: str, *, zero: int, lost: int, attacked: int
) -> list[Indicator]:
    """Whether an attack had no gradient to follow on some of the images."""
    found = []
    for name, images, what in (
        ("zero-gradients", zero, "the first gradient of {} is exactly zero"),
        (
            "lost-gradients",
            lost,
            "a gradient of {}, or the logits that it is of, held NaN or infinity",
        ),
    ):
        if images:
            says = f"{images} of {attacked} images: {what.format(attack)}"
            evidence = {"images": images, "attacked": attacked}
            found.append(Indicator(name, model, attack, says, evidence))
    return found


def of_late_gains(model: str, attack: str, gains: Sequence[float]) -> list[Indicator]:
    """Whether an attack's loss still rose at its end on images that stayed robust.

    Args:
        gains: of the robust images, the share of the whole gain that the last tenth of the
            iterations made.
    """
    late = sum(gain > LATE_GAIN for gain in gains)
    if late < FEWEST or late <= LATE_SHARE * len(gains):
        return []
    says = (
        f"the loss of {attack} still rises at its end on {late} of {len(gains)} robust images: the"
        f" last tenth of the iterations made more than {LATE_GAIN:.0%} of the gain"
    )
    return [Indicator("still-rising", model, attack, says, {"images": late, "robust": len(gains)})]


def of_unbounded(model: str, attack: str, *, failed: int, attacked: int) -> list[Indicator]:
    """Whether an untargeted attack with gradients and without a budget fails on some images."""
    if failed < FEWEST or failed <= FAILING * attacked:
        return []
    says = f"{attack}, which has no budget, fails on {failed} of {attacked} images"
    evidence = {"failed": failed, "attacked": attacked}
    return [Indicator("unbounded-failure", model, attack, says, evidence)]


def of_accuracy(
    model: str, correct: int, images: int, classes: int | None, published: float | None
) -> list[Indicator]:
    """Whether an accuracy is no better than chance, or below half of the ``published`` share."""
    if images < ENOUGH:
        return []
    share, chance = correct / images, None if classes is None else 1 / classes
    if chance is not None and share <= chance + 2 * math.sqrt(chance * (1 - chance) / images):
        than = f"cannot be told from chance ({chance:.1%})"
    elif published is not None and share < published / 2:
        than = f"is below half of the published {published:.1%}"
    else:
        return []
    says = (
        f"accuracy {share:.1%} of {images} images {than}: check its preprocessing and the order of"
        " its classes"
    )
    return [Indicator("accuracy", model, None, says, {"accuracy": share, "images": images})]
