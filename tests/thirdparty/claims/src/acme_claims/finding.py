from harness.api import FEWEST_MODELS, Finding, Part, beyond, conclude, too_few
from harness.api.statistics import spearman, spearman_interval


class SmallIsWeak(Finding):
    title = "small is weak"
    claim = "the more parameters a model has, the larger the distortions that break it"
    source = "the Acme handbook, chapter 3"
    rule = "for every minimum-distortion attack and goal Spearman's rho lies above 0"

    def check(self, evidence):
        parts = []
        for trial in evidence.minimal():
            sizes, means = [], []
            for model, found in trial.outcomes.items():
                parameters = evidence.models[model].parameters
                if parameters is not None and found.mean is not None:
                    sizes.append(parameters)
                    means.append(found.mean)
            if len(sizes) < FEWEST_MODELS:
                parts.append(too_few(trial.title, len(sizes)))
                continue
            rho = spearman(sizes, means)
            interval = None if rho is None else spearman_interval(rho, len(sizes))
            figure = f"rho {rho or 0:.2f} over {len(sizes)} models"
            parts.append(Part(trial.title, beyond(interval), figure, interval))
        return conclude(parts, lacking="a minimum-distortion attack")
