from harness.api import Metric, Score


class Worst(Metric):
    """The smallest linf distortion that broke an image."""

    unit = "px"

    def score(self, cell):
        sizes = [row.norms.linf for row in cell.broken]
        return Score(min(sizes, default=None), len(sizes))
