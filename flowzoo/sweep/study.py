"""The study of a sweep: which trials were made, and which come next, as Optuna decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from flowzoo.errors import OptionError
from flowzoo.shell import word
from flowzoo.sweep.journal import Journal, damaged
from flowzoo.sweep.settings import Sweep
from flowzoo.sweep.space import Range, Searched

FILE = "study.jsonl"

State = Literal["finished", "pruned", "failed", "running"]

_STARTUP = 5
"""Number of trials that are drawn at random, and that are never pruned, at the beginning."""


@dataclass(frozen=True)
class Trial:
    """A trial of a study.

    Attributes:
        number: Its number, from 0.
        values: The values of what is searched.
        state: How it has ended.
        bits_per_dim: Bits/dim of the validation images; of the last validation for a pruned one. None if
            there is none.
    """

    number: int
    values: Mapping[str, Any]
    state: State
    bits_per_dim: float | None


class Study:
    """A study in a folder. What happens is written there at once, as lines of JSON.

    Args:
        sweep: The sweep.
        folder: The folder, which exists.
        parallel: Whether several trials run at the same time.
        writes: Whether what happens is written. Without it, another process may work in the folder.

    Raises:
        OptionError: Optuna is not installed, the folder holds the study of another file, or its file is
            damaged.
        FileError: The folder cannot be written.
    """

    def __init__(self, sweep: Sweep, folder: Path, *, parallel: bool = False, writes: bool = True) -> None:
        require_optuna()
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._optuna = optuna
        self._space = {name: _distribution(optuna, each) for name, each in sweep.space.items()}
        self._study = optuna.create_study(
            study_name="sweep",
            storage=_storage(folder / FILE, writes),
            direction="minimize",
            load_if_exists=True,
            pruner=_pruner(optuna, sweep),
        )
        known = self._study.user_attrs.get("sweep")
        if known not in (None, sweep.digest):
            raise OptionError(
                f"{word(folder)} holds the trials of another search, or of an older version of this file. "
                "Choose another --out, or undo the change; only trials and minutes may change"
            )
        self._study.set_user_attr("sweep", sweep.digest)
        # A sampler draws the same trials again if it begins with the same seed.
        seed = (sweep.asked.seed + len(self._study.get_trials(deepcopy=False))) % 2**32
        self._study.sampler = optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=_STARTUP, constant_liar=parallel
        )
        for trial in self._study.get_trials(deepcopy=False):
            if trial.state == optuna.trial.TrialState.RUNNING:
                self._complete(trial)

    def trials(self) -> list[Trial]:
        """Return all trials in their order."""
        return [self._read(each) for each in self._study.get_trials(deepcopy=False)]

    def ask(self) -> Trial:
        """Return a new trial."""
        made = self._study.ask(fixed_distributions=self._space)
        return Trial(made.number, dict(made.params), "running", None)

    def should_stop(self, number: int, step: int, bits_per_dim: float) -> bool:
        """Note a validation of a running trial, and return whether to stop the trial.

        Args:
            number: Number of the trial.
            step: Which validation this is.
            bits_per_dim: Its figure.
        """
        frozen = self._study.get_trials(deepcopy=False)[number]
        trial = self._running(frozen)
        if step not in frozen.intermediate_values:
            trial.report(bits_per_dim, step)
        return bool(trial.should_prune())

    def end(self, number: int, state: State, bits_per_dim: float | None) -> None:
        """Note how a trial has ended."""
        states = self._optuna.trial.TrialState
        as_theirs = {"finished": states.COMPLETE, "pruned": states.PRUNED, "failed": states.FAIL}[state]
        value = bits_per_dim if state == "finished" else None
        self._study.tell(number, value, state=as_theirs)

    def _complete(self, frozen: Any) -> None:
        """Draw the values that a trial lacks because its beginning was interrupted."""
        lacking = {name: each for name, each in self._space.items() if name not in frozen.params}
        if lacking:
            trial = self._running(frozen)
            for name, distribution in lacking.items():
                trial._suggest(name, distribution)

    def _running(self, frozen: Any) -> Any:
        return self._optuna.trial.Trial(self._study, frozen._trial_id)

    def _read(self, trial: Any) -> Trial:
        states = self._optuna.trial.TrialState
        names: dict[Any, State] = {
            states.COMPLETE: "finished",
            states.PRUNED: "pruned",
            states.FAIL: "failed",
        }
        seen = trial.intermediate_values
        last = seen[max(seen)] if seen else None
        state = names.get(trial.state, "running")
        return Trial(trial.number, dict(trial.params), state, trial.value if state == "finished" else last)


def require_optuna() -> None:
    """Refuse to go on without Optuna.

    Raises:
        OptionError: It is not installed.
    """
    if find_spec("optuna") is None:
        raise OptionError("flowzoo sweep needs Optuna: pip install 'flowzoo[sweep]'")


def _storage(path: Path, writes: bool) -> Any:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import BaseJournalBackend

    BaseJournalBackend.register(Journal)
    journal = Journal(path, writes=writes)
    try:
        return JournalStorage(journal)
    except (LookupError, TypeError, ValueError, AttributeError, AssertionError, RuntimeError) as error:
        # Each line is JSON, but Optuna cannot replay one.
        raise damaged(path, ": it has lines that are not of a study") from error


def _distribution(optuna: Any, searched: Searched) -> Any:
    if not isinstance(searched, Range):
        return optuna.distributions.CategoricalDistribution(searched.values)
    if searched.whole:
        step = int(searched.step or 1)
        return optuna.distributions.IntDistribution(
            int(searched.low), int(searched.high), log=searched.log, step=step
        )
    return optuna.distributions.FloatDistribution(
        float(searched.low), float(searched.high), log=searched.log, step=searched.step
    )


def _pruner(optuna: Any, sweep: Sweep) -> Any:
    if sweep.asked.prune == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=_STARTUP, n_warmup_steps=sweep.validations // 4)
    if sweep.asked.prune == "hyperband":
        return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=max(2, sweep.validations))
    return optuna.pruners.NopPruner()
