"""The study that the harness began with: Su et al. 2018, arXiv 1808.01688.

Its claims as findings, its published fits, its networks and suites. The core knows none of them.
"""

from __future__ import annotations

from harness.api import Register, hookimpl

HARNESS_API = 1

FINDINGS = (
    ("scaling-law", "scaling:ScalingLaws", "Distortion is linear in the log of the error"),
    ("family-or-size", "family_or_size:FamilyOrSize", "Family predicts better than size"),
    ("depth", "depth:Depth", "Deeper is slightly more robust in linf"),
    ("least-likely-harder", "goals:LeastLikely", "Least-likely targets need more distortion"),
    ("fgsm-targeted-weak", "success:FgsmWeak", "Targeted FGSM is weak"),
    ("fgsm-targeted-falls", "success:FgsmFalls", "Targeted FGSM gets weaker with epsilon"),
    ("ifgsm-strong", "success:IfgsmStrong", "I-FGSM nearly always succeeds"),
    ("cw-ead-strong", "success:MinimalStrong", "C&W and EAD nearly always succeed at kappa 0"),
    ("large-kappa", "large_kappa:LargeKappa", "Success at large kappa is not robustness"),
    ("transfer-order", "transferability:Order", "FGSM transfers best, C&W worst"),
    ("transfer-epsilon", "transferability:LargerEpsilon", "Larger epsilon transfers better"),
    (
        "transfer-iterations",
        "transferability:FewerIterations",
        "Fewer iterations transfer better",
    ),
    ("transfer-within-family", "families:WithinFamily", "Transfer is better within a family"),
    ("vgg-stripes", "stripes:VggStripes", "The VGG models are the strongest sources"),
    ("transfer-asymmetry", "asymmetry:Asymmetric", "Transfer is asymmetric"),
    ("targeted-transfer-low", "targeted:Seldom", "Targets seldom transfer across families"),
    ("targeted-transfer-family", "targeted:TargetedFamily", "Targets transfer within a family"),
    ("targeted-transfer-epsilon", "targeted:TargetedEpsilon", "Larger epsilon transfers targets"),
    ("clever-ranks", "clever:CleverRanks", "CLEVER ranks models as attacks do"),
    ("clever-below", "clever:CleverBelow", "CLEVER lies below attacks"),
    ("clever-law", "clever:CleverLaw", "CLEVER is linear in the log of the error"),
    ("least-likely-far", "far:LeastLikelyFar", "Least likely classes are far in WordNet"),
)


@hookimpl
def register_findings(register: Register) -> None:
    for name, target, summary in FINDINGS:
        register(name, f"harness_su2018.findings.{target}", version="1", summary=summary)


@hookimpl
def register_commands(register: Register) -> None:
    register(
        "models import",
        "harness_su2018.importing.command:import_models",
        version="1",
        summary="Convert frozen TensorFlow graphs to ONNX.",
    )


@hookimpl
def register_reference_fits(register: Register) -> None:
    register(
        "paper", "harness_su2018.fits:Paper", version="1", summary="Su et al. 2018, section 4.2"
    )


@hookimpl
def register_registries(register: Register) -> None:
    register(
        "imagenet18",
        "harness_su2018:registry.yaml",
        version="1",
        summary="The study's 18 ImageNet networks and its suites",
    )
