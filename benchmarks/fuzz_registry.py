"""Registry files broken in every way that chance finds: each is taken, or refused in one line.

python benchmarks/fuzz_registry.py [--count 300] [--seed 0] [--keep FOLDER]

A sound file is mutated byte by byte, line by line and value by value, and handed to the verbs that
read registries. Whatever is neither exit code 0 nor one of the documented ones with one short line
is printed, and its file kept.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import re
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

BASE = """\
models:
  mine: &mine
    loader: onnx
    architecture: net
    family: Own
    year: 2024
    layers: 3
    parameters: 1000
    classes: 10
    preprocessing: {size: [32, 32], mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 1.0], channels: bgr}
    weights: {file: nets/mine.onnx, sha256: null}
    published: {top1: 51.5, top5: 70.25}
    options: {depth: [1, 2, {a: b}], ratio: 1.0e-3}
  other:
    <<: *mine
    family: Else
datasets:
  pictures:
    reader: folder
    version: "1"
    classes: 10
    root: pictures
    options: {classes: sorted, resize: slim}
suites:
  own:
    summary: 'some of everything'
    dataset: digits
    models: ["digits-mobilenet_v1_025"]
    images: 4
    accuracy_images: 8
    seed: 3
    attacks:
      - {attack: fgsm, goals: [untargeted, random], parameters: {epsilon: 0.1}, keep: true}
      - attack: ifgsm
        goals: [random, least-likely]
        parameters: {epsilon: search, steps: 3}
    measurements:
      - {measurement: divergence, images: 2, parameters: {epsilon: 0.01}}
    transfer: {border: white, keep_sets: true}
    metrics: [accuracy, success, linf]
"""
VERBS = (
    ("suites", "show", "own"),
    ("models", "show", "mine"),
    ("datasets", "list"),
    ("plan", "--suite", "own", "--format", "json", "--devices", "cpu"),
)
ODD = (
    "", "~", "-1", "0", "1e400", ".nan", "-.inf", "9" * 400, "0x1f", "1_000", "true", "'true'",
    "[]", "{}", "[[[[[[]]]]]]", "{a: {b: {c: 1}}}", "''", '"\\0"', '"\\uD800"', '"\\u202e"',
    "2020-13-41", "2020-01-01", "!!binary aGk=", "!!int x", "!!set {a}", "!!python/name:os.system",
    "*mine", "&mine 1", "*nobody", "<<", "|\n    text", ">", "@", "`", "%TAG", "/dev/zero", "~/x",
    "../../../etc/passwd", "a" * 5000, "é", "日本", "x\x1b[2J", "*", "?", "[random, random]",
)  # fmt: skip
LONGEST, SECONDS = 2500, 60


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verb made of a file; ``harm``: why that is not as documented."""

    code: int | None
    line: str
    harm: str | None


def mutations(count: int, seed: int) -> Iterator[bytes]:
    """``count`` mutated files, the same for a seed; most have one mutation, some up to four."""
    chance = random.Random(seed)
    for number in range(count):
        content = BASE.encode()
        for _ in range(chance.choice((1, 1, 1, 2, 4))):
            content = KINDS[number % len(KINDS)](content, chance)
        yield content


def _flipped(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content) or 1)
    return content[:place] + bytes([chance.randrange(256)]) + content[place + 1 :]


def _cut(content: bytes, chance: random.Random) -> bytes:
    first, last = sorted(chance.randrange(len(content) + 1) for _ in range(2))
    return content[:first] + content[min(last, first + 60) :]


def _ended(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content) + 1)]


def _repeated(content: bytes, chance: random.Random) -> bytes:
    first, last = sorted(chance.randrange(len(content) + 1) for _ in range(2))
    return content[:last] + content[first:last] * chance.choice((1, 2, 50)) + content[last:]


def _inserted(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content) + 1)
    what = chance.choice(
        (b"\t", b"\0", b"\xff\xfe", b"[", b"{", b"\r", b"- ", b": ", b"&a ", b"*a")
    )
    return content[:place] + what * chance.choice((1, 3, 2000)) + content[place:]


def _moved_line(content: bytes, chance: random.Random) -> bytes:
    lines = content.splitlines(keepends=True) or [b""]
    line = lines.pop(chance.randrange(len(lines)))
    if chance.random() < 0.5:
        line = b" " * chance.randrange(1, 4) + line
    lines.insert(chance.randrange(len(lines) + 1), line)
    return b"".join(lines)


def _odd_value(content: bytes, chance: random.Random) -> bytes:
    """Another value after a colon, or another item of a list."""
    places = list(re.finditer(rb"(?<=[:,\[] )[^,\[\]{}\n]+|(?<=\[)[^,\[\]{}\n]+", content))
    return _replaced(content, places, chance)


def _odd_key(content: bytes, chance: random.Random) -> bytes:
    return _replaced(content, list(re.finditer(rb"[A-Za-z_0-9]+(?=:)", content)), chance)


def _replaced(content: bytes, places: Sequence[re.Match[bytes]], chance: random.Random) -> bytes:
    if not places:
        return content
    place = chance.choice(places)
    return content[: place.start()] + chance.choice(ODD).encode() + content[place.end() :]


KINDS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _odd_value, _odd_key, _flipped, _odd_value, _cut, _ended, _repeated, _inserted, _moved_line
)  # fmt: skip


def judged(path: Path, verb: Sequence[str]) -> Verdict:
    """What ``verb`` makes of the registry ``path``."""
    from harness.cli.main import main

    out, err = io.StringIO(), io.StringIO()
    code: int | None = None
    signal.signal(signal.SIGALRM, _late)
    signal.alarm(SECONDS)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main([*verb, "--registry", str(path)])
    except SystemExit as error:
        code = int(error.code or 0)
    except BaseException as error:
        return Verdict(None, repr(error)[:LONGEST], f"raised {type(error).__name__}")
    finally:
        signal.alarm(0)
    lines = err.getvalue().splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    line = errors[0] if errors else ""
    harm = None
    if "Traceback" in err.getvalue():
        harm = "a traceback"
    elif code not in (0, 2, 3, 4):
        harm = f"exit code {code}"
    elif len(errors) != (code != 0):
        harm = f"{len(errors)} lines of error"
    elif max(map(len, lines), default=0) > LONGEST:
        harm = "a long line"
    return Verdict(code, line, harm)


def _late(number: int, frame: object) -> None:
    raise TimeoutError(f"more than {SECONDS} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("fuzzed").absolute())
    given = parser.parse_args()
    os.environ["HARNESS_NO_CALIBRATION"] = "1"
    codes: Counter[str] = Counter()
    harms = 0
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        path = Path(folder) / "mutated.yaml"
        for number, content in enumerate(mutations(given.count, given.seed)):
            path.write_bytes(content)
            for verb in VERBS:
                found = judged(path, verb)
                codes[f"{verb[0]}: exit code {found.code}"] += 1
                if found.harm:
                    harms += 1
                    given.keep.mkdir(parents=True, exist_ok=True)
                    (given.keep / f"{number}.yaml").write_bytes(content)
                    print(f"{number}: {' '.join(verb)}: {found.harm}: {found.line}")
    for kind, count in sorted(codes.items()):
        print(f"{kind}: {count}")
    print(f"{given.count} files, {harms} neither taken nor refused in one line")
    sys.exit(bool(harms))


if __name__ == "__main__":
    main()
