"""`Target` for whole-batch attacks: counts passes per image, refuses what was not declared.

What an attack with gradients compares with each other is computed in the gradients' numerics: they
and the logits. Predictions, and the logits of attacks that have nothing else, are in IEEE fp32.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from harness.api import (
    NOT_FINITE,
    ZERO_GRADIENT,
    Access,
    AttackParameters,
    Candidates,
    Passes,
    PluginError,
    Target,
    look,
    looks,
)
from harness.engine.best import BestQueries
from harness.engine.budget import UNBOUNDED
from harness.engine.classifier import PixelClassifier
from harness.engine.counted import CountedModule, noted, without_slopes
from harness.engine.device import runs_ahead, sent
from harness.engine.values import checked_images

ASKED = "the attack asked for"
"""How the error begins of an attack that needs more access than it declares."""


def _wide(mask: Tensor) -> Tensor:
    """``mask`` (n,) for images."""
    return mask[:, None, None, None]


def must_declare(attack: AttackParameters, what: str, *access: Access) -> None:
    """
    Raises:
        PluginError: ``attack`` declares none of ``access``, and so may not have ``what``.
    """
    if attack.access not in access:
        raise _refused(attack, what)


def _refused(attack: AttackParameters, what: str) -> PluginError:
    return PluginError(
        f"{ASKED} {what} but declares access {attack.access.value!r}",
        hint="declare the access that it needs",
    )


def cotangent_of(loss: Callable[[Tensor], Tensor], logits: Tensor) -> Tensor:
    """The gradient of the sum of ``loss`` to ``logits``, which it may overwrite."""
    with torch.enable_grad():
        leaf = logits.detach().requires_grad_(True)
        (cotangent,) = torch.autograd.grad(loss(leaf.clone()).sum(), leaf)
    return cotangent


def not_finite(*values: Tensor) -> Tensor:
    """bool (n,), the rows of any of ``values`` that hold NaN or infinity, in one pass over each."""
    sums = [each.flatten(1).sum(1) for each in values]
    return ~torch.stack(sums).isfinite().all(0)


class BudgetSpent(BaseException):
    """Raised within an attack all of whose images have spent their passes; not meant for it."""


class CountingTarget(Target):
    """The model as one batch of an attack sees it.

    With a budget of passes nothing is evaluated for an image that would exceed it: the image is
    spent. While others are not, it is evaluated along with them, but that neither counts nor has a
    consequence: what the attack then returns for it is not what is judged (`judgeable`).

    Args:
        best: sees the queries; None: nobody keeps them.
        budgets: int64 (n,), on the host, each image's most forward and backward passes; they need
            ``best``.

    Attributes:
        forwards, backwards: int64 (n,), on the device, the passes made for each row so far.
        flat: bool (n,), on the device, the rows whose first gradient was zero everywhere.
        lost: int64 (n,), on the device, how many gradients of each row, or the logits that they
            are of, held NaN or infinity.
        spent: bool (n,), on the device, the rows that were refused a pass.
    """

    def __init__(
        self,
        model: PixelClassifier,
        attack: AttackParameters,
        rows: int,
        *,
        best: BestQueries | None = None,
        budgets: Tensor | None = None,
    ) -> None:
        self._model = model
        self._attack = attack
        self.classes = model.classes
        self.forwards, self.backwards = torch.zeros(
            (2, rows), dtype=torch.int64, device=model.device
        )
        self.lost = torch.zeros_like(self.forwards)
        self.flat, self.spent = torch.zeros((2, rows), dtype=torch.bool, device=model.device)
        self._seen = False
        self._turn = 0
        self._best = best
        self._any_spent = False
        self._last: Tensor | None = None
        self._budgets: Tensor | None = None
        if best is not None and budgets is not None:
            self._budgets = sent(budgets, model.device)
            self._room = int(budgets.min())  # no row that is not spent has less
            self._last = best.found.images.clone()

    def counted(self) -> tuple[list[Passes], dict[str, list[bool]]]:
        """The passes made for each row so far, and the rows that `judge` flags; a look at the
        device."""
        forwards, backwards, *flags = looks(self.forwards, self.backwards, self.flat, self.lost)
        rows = zip(forwards.tolist(), backwards.tolist(), strict=True)
        flat, lost = (each.bool().tolist() for each in flags)
        return [Passes(*row) for row in rows], {ZERO_GRADIENT: flat, NOT_FINITE: lost}

    def judgeable(self, returned: Candidates | None) -> Candidates:
        """What is to be judged: what the attack ``returned``, if it did; of spent images the best
        query, or the last one where none was adversarial.
        """
        if self._best is None or self._last is None or not self._any_spent:
            assert returned is not None
            return returned
        found = self._best.found
        images = torch.where(_wide(found.distance.isfinite()), found.images, self._last)
        if returned is None:
            return Candidates(images)
        theirs = returned.images.detach().to(images.device, torch.float32)
        numbers = {
            name: values.detach().float().where(~self.spent.to(values.device), torch.nan)
            for name, values in returned.numbers.items()
        }
        return Candidates(torch.where(_wide(self.spent), images, theirs), numbers)

    def labels(self, images: Tensor, rows: Tensor | None = None) -> Tensor:
        laid_out = self._laid_out(images)
        self._count(images, rows)
        logits = self._model.predict(laid_out)
        self._saw(laid_out, logits, rows)
        return logits.argmax(1)

    def logits(self, images: Tensor, rows: Tensor | None = None) -> Tensor:
        must_declare(self._attack, "logits", Access.SCORES, Access.WHITE_BOX)
        laid_out = self._laid_out(images)
        self._count(images, rows)
        logits = self._scores(laid_out)
        self._saw(laid_out, logits, rows)
        return logits

    def gradient(
        self, images: Tensor, loss: Callable[[Tensor], Tensor], rows: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        must_declare(self._attack, "gradients", Access.WHITE_BOX)
        laid_out = self._laid_out(images)
        counts = self._count(images, rows, backwards=1)
        made = self._model.differentiated(laid_out)
        self._saw(laid_out, made.logits, rows)
        self.backwards += counts
        gradient = made.gradient(cotangent_of(loss, made.logits))
        self._look(made.logits, gradient, rows)
        return made.logits, gradient

    def model(self, rows: Tensor | None = None) -> nn.Module:
        return CountedModule(lambda images: self._evaluated(images, rows), self._model.device)

    def _evaluated(self, images: Tensor, rows: Tensor | None) -> Tensor:
        """What `model` returns for ``images``."""
        checked_images(images, "the attack", self._model.shape, device=self._model.device)
        sloped = torch.is_grad_enabled() and images.requires_grad
        if sloped and self._attack.access is Access.WHITE_BOX:
            return self._graphed(images, rows)
        self._begin(self._shared(len(images), rows), len(images), backwards=0)
        logits = self._scores(self._laid_out(images))
        self._saw_some(images, logits, rows)
        if self._attack.access is Access.LABELS:
            logits = nn.functional.one_hot(logits.argmax(1), self.classes).float()
        if not sloped:
            return logits
        return without_slopes(logits, images, _refused(self._attack, "gradients"))

    def _graphed(self, images: Tensor, rows: Tensor | None) -> Tensor:
        """What `model` returns for ``images`` to an attack that may ask for gradients."""
        shared = self._shared(len(images), rows)
        self._begin(shared, len(images), backwards=1)
        known = len(self.forwards) if rows is None else len(rows)

        def told(gradient: Tensor) -> None:
            self.backwards += self._allowed(shared, len(images), 1)
            if len(images) == known:
                self._look(gradient, gradient, rows)

        logits = self._model.graphed(noted(images, told))
        self._saw_some(images, logits.detach(), rows)
        return logits

    def _scores(self, laid_out: Tensor) -> Tensor:
        if self._attack.access is Access.WHITE_BOX and self._model.numerics != "fp32":
            return self._model.logits(laid_out)
        return self._model.predict(laid_out).clone()

    def _saw_some(self, images: Tensor, logits: Tensor, rows: Tensor | None) -> None:
        """`_saw` where it is known whose ``images`` are: as many as rows, or all of one row."""
        known = len(self.forwards) if rows is None else len(rows)
        if len(images) == known:
            self._saw(images, logits, rows)
        elif known == 1:
            whose = torch.zeros(1, dtype=torch.int64) if rows is None else rows
            self._saw(images, logits, whose.expand(len(images)))

    def _saw(self, images: Tensor, logits: Tensor, rows: Tensor | None) -> None:
        """Note of queries; of spent images they do not count."""
        if self._best is None:
            return
        rows = rows if rows is None else sent(rows, self._model.device)
        counting = ~self.spent if self._any_spent else None
        passes = self.forwards + self.backwards
        self._best.see(images, logits, passes, rows=rows, counting=counting)
        if self._last is not None:
            last, mine = self._last, images.detach()
            if rows is not None:
                numbers = torch.arange(len(rows), device=rows.device)
                latest = torch.full_like(self.forwards, -1).scatter_reduce(0, rows, numbers, "amax")
                last = torch.where(_wide(latest < 0), last, mine[latest.clamp(min=0)])
            elif counting is None:
                last = mine.clone()
            else:
                last = mine
            self._last = (
                last if counting is None else torch.where(_wide(counting), last, self._last)
            )

    def _look(self, logits: Tensor, gradient: Tensor, rows: Tensor | None) -> None:
        lost = not_finite(logits, gradient)
        if rows is None:
            self.lost += lost
        else:
            self.lost.index_add_(0, sent(rows, lost.device), lost.long())
        if self._seen:
            return
        if rows is not None:
            first = self.backwards[rows] == 1
            if not runs_ahead(self._model.device) and not first.any():
                return
        zero = ~gradient.ne(0).any(dim=(1, 2, 3))
        if rows is None:
            self.flat = torch.where(self.backwards == 1, zero, self.flat)
            self._seen = True
            return
        self.flat[rows] = torch.where(first, zero, self.flat[rows])

    def _laid_out(self, images: Tensor) -> Tensor:
        checked_images(images, "the attack", self._model.shape, device=self._model.device)
        return images.detach().contiguous(memory_format=self._model.memory_format)

    def _count(self, images: Tensor, rows: Tensor | None, *, backwards: int = 0) -> Tensor | int:
        """Count a forward pass of ``images``, one for each of ``rows``; returns the counts."""
        each: Tensor | int = 1
        if rows is not None:
            rows = sent(rows, self._model.device)
            ones = torch.ones_like(rows, dtype=torch.int64)
            each = torch.zeros_like(self.forwards).index_add_(0, rows, ones)
        elif len(images) != len(self.forwards):
            raise PluginError(
                f"the attack evaluated {len(images)} images of a batch of {len(self.forwards)}",
                hint="say which with rows=",
            )
        return self._begin(each, len(images), backwards=backwards)

    def _begin(self, each: Tensor | int, images: int, *, backwards: int) -> Tensor | int:
        """Count ``each`` row's forward passes of ``images`` in all, if backward ones can follow.

        Returns:
            What was counted: nothing for rows that are spent.
        """
        each = self._allowed(each, images, 1 + backwards)
        self.forwards += each
        return each

    def _allowed(self, each: Tensor | int, images: int, passes: int) -> Tensor | int:
        """``each`` of ``images`` in all, 0 where the budget has no room for as many ``passes``.

        Raises:
            BudgetSpent: it has none for any row.
        """
        if self._budgets is None:
            return each
        if isinstance(each, int):
            self._room -= passes * each
        else:  # no row has more than all of them, and a GPU is not asked
            self._room -= passes * (images if runs_ahead(each.device) else int(look(each).max()))
        if self._room < 0:
            wanted = torch.as_tensor(each, device=self._budgets.device) * passes
            room = self._budgets - self.forwards - self.backwards - wanted
            self.spent |= (wanted > 0) & (room < 0)
            least, spent = looks(torch.where(self.spent, UNBOUNDED, room).min(), self.spent)
            self._any_spent = bool(spent.any())
            if spent.all():
                self._room = 0  # whoever goes on is told so again
                raise BudgetSpent
            self._room = int(least)
        return torch.where(self.spent, 0, each) if self._any_spent else each

    def _shared(self, images: int, rows: Tensor | None) -> Tensor | int:
        """How many of ``images`` passes each row is counted: all the same, or in turn one more."""
        known = len(self.forwards) if rows is None else len(rows)
        each, rest = divmod(images, known)
        if rows is None and not rest:
            return each
        counts = torch.full((known,), each)
        counts[(torch.arange(rest) + self._turn) % known] += 1
        self._turn += rest
        counts = sent(counts, self._model.device)
        if rows is None:
            return counts
        return torch.zeros_like(self.forwards).index_add_(0, sent(rows, counts.device), counts)
