"""What a worker's host has to have in common with the driver's: the software that decides."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from socket import gethostname
from typing import Any

from harness.api import ConfigError
from harness.execute.environment import environment
from harness.plugins import Catalog

EITHER = {"onnxruntime-gpu": "onnxruntime"}
"""A package under another name: one host of a cluster may have GPUs, another one none."""


@dataclass(frozen=True, slots=True)
class Passport:
    """Of one process.

    Attributes:
        versions: of Python, the harness and the packages that decide about numbers.
        plugins: versions by DISTRIBUTION:NAME; or what is wrong with one.
    """

    host: str
    versions: Mapping[str, str]
    plugins: Mapping[str, str]

    @classmethod
    def of(cls, catalog: Catalog, used: Collection[str] | None = None) -> Passport:
        """This process's.

        Args:
            used: the plugins that matter, as DISTRIBUTION:NAME; None: all.
        """
        facts = environment(catalog)
        plugins = {
            f"{each.distribution}:{each.name}": each.version if each.ok else each.status
            for each in catalog.reports
        }
        return cls(
            gethostname(),
            dict(_versions(facts)),
            {name: plugins[name] for name in plugins if used is None or name in used},
        )

    def check(self, here: Passport) -> None:
        """Compare the driver's passport with the one of ``here``, a worker.

        Raises:
            ConfigError: something differs, or is missing here; the message names all of it.
        """
        wrong = [
            *_differences("", self.versions, here.versions, self.host),
            *_differences("plugin ", self.plugins, here.plugins, self.host),
        ]
        if wrong:
            raise ConfigError(
                "; ".join(wrong),
                where=f"worker on {here.host}",
                hint="install the same versions on all hosts",
            )


def _versions(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Without what may differ: patch releases of Python, and for which GPUs something is built."""
    yield "Python", ".".join(facts["python"].split(".")[:2])
    yield "harness", facts["harness"]
    for name, version in facts["packages"].items():
        yield EITHER.get(name, name), version.partition("+")[0]


def _differences(
    what: str, theirs: Mapping[str, str], ours: Mapping[str, str], host: str
) -> Iterator[str]:
    """What is on ``host`` and not here, or is another version here."""
    for name, version in theirs.items():
        found = ours.get(name)
        if found is None:
            yield f"{what}{name} {version} on {host}, not installed here"
        elif found != version:
            yield f"{what}{name} {version} on {host}, {found} here"
