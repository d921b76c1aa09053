"""A tour of the library face, in cells: run it as a script, or cell by cell in an editor.

It attacks two of the embedded digits classifiers, places one of them on the leaderboard of a small
run, and needs two minutes on two cores.
"""

# %% [markdown]
# # Two digits classifiers, attacked from Python

# %%
import tempfile
from pathlib import Path

import harness

MODELS = ["digits-mobilenet_v1_025", "digits-resnet_v2_50", "digits-vgg16"]
db = Path(tempfile.mkdtemp()) / "harness.db"

# %% [markdown]
# ## Run a part of the embedded suite
# What is stored already is not computed again: call it twice.

# %%
print(harness.plan("digits18", db=db, models=MODELS, attacks=["fgsm*", "cw"], limit=12))

# %%
summary = harness.run("digits18", db=db, models=MODELS, attacks=["fgsm*", "cw"], limit=12)
assert not summary.failures

# %% [markdown]
# ## Read what is stored

# %%
digits = harness.results(db).suite("digits18")
print(digits.leaderboard(attack="cw", goal="random"))

# %%
print(digits.compare(MODELS[0], MODELS[1], attack="cw"))

# %%
outcomes = digits.outcomes(attack="cw", goal="random", model=MODELS[0])
broken = [row["l2"] for row in outcomes if row["status"] == "broken"]
print(f"{len(broken)} of {len(outcomes)} images are broken; the nearest at l2 {min(broken):.3f}")
