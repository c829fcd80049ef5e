"""Many trainings of one plan, several at a time, in an Optuna study: a killed one is trained on, a
finished one never again.
"""

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DivergedError, KaeError
from ..system import signals
from .study import opened, put_back, suggest, usable
from .sweep_plan import Plan
from .trials import TRIAL, close, end, losses, reason, start

if TYPE_CHECKING:
    import optuna

TICK = 0.1  # seconds between looks at the trainings
ALIVE = "alive"  # attribute of a trial: when its process last gave a sign of life
BEAT = 5  # seconds between these
STALE = 60  # seconds without one after which a training counts as killed
PRUNED = (DivergedError.exit_code, 1, 128 + 9)  # diverged, or out of memory
STOPPED = (129, 130, 143)  # by a signal
Say = Callable[[str], object]


@dataclass
class Training:
    """One at work: its trial, its process and the rows of its history that the study has."""

    trial: "optuna.Trial"
    process: "subprocess.Popen[bytes]"
    run: Path
    seen: int = 0
    told: float = field(default_factory=time.monotonic)


class Sweep:
    """The study of a plan in a folder, which several processes may work on.

    Args:
        plan: the trainings.
        folder: of the study, the runs and what each printed; made where it is missing.
        program: takes the arguments of `kae`, and stops when its standard input ends.
        stale: seconds without a sign of life after which a training counts as killed.

    Raises:
        MissingDependencyError: Optuna is not installed.
        UsageError: The folder holds another sweep, or other files.
        CorruptFileError: The study cannot be read or written.
    """

    def __init__(
        self, plan: Plan, folder: Path, program: Sequence[str] = TRIAL, stale: float = STALE
    ) -> None:
        self.study, self.lock = opened(plan, folder)
        from optuna.trial import TrialState

        self.plan, self.folder, self.program, self.stale = plan, folder, program, stale
        self._states = TrialState

    def trials(self) -> "list[tuple[optuna.trial.FrozenTrial, float | None]]":
        """Those that are finished and their `val_loss`, the best first; last those stopped or left
        out, with None.
        """
        done = self.study.get_trials(deepcopy=False, states=(self._states.COMPLETE, self._states.PRUNED))
        # Optuna gives a stopped one the last error that was reported
        found = [(each, each.value if each.state == self._states.COMPLETE else None) for each in done]
        return sorted(found, key=lambda each: (each[1] is None, each[1] or 0.0, each[0].number))

    def work(self, workers: int, say: Say = str) -> None:
        """Train until all trials are done, those of other processes among them.

        Args:
            workers: trainings at a time.
            say: is told what begins, and how each ends.

        Raises:
            KaeError: A training failed for a reason that the next would fail for as well.
        """
        at_work: list[Training] = []
        waited = False
        try:
            while True:
                with signals.deferred(), usable(self.folder):
                    for each in list(at_work):
                        if self._finished(each, say):
                            at_work.remove(each)
                    while len(at_work) < workers and (trial := self._next()):
                        at_work.append(self._begin(trial, workers))
                        say(f"{trial.user_attrs['run']}: {_told(trial.params)}")
                    left = bool(at_work) or self._others()
                if not left:
                    return
                if not at_work and not waited:
                    waited = True
                    say(
                        f"waiting for trainings of another process (or {self.stale:g} s, where it was killed)"
                    )
                time.sleep(TICK)
        finally:
            self._stop(at_work)

    def _next(self) -> "optuna.Trial | None":
        """A trial that no process has begun, if more are to be made."""
        with self.lock:
            for each in self.study.get_trials(deepcopy=False, states=(self._states.RUNNING,)):
                # without a sign of life: whoever began it was killed within this lock
                if time.time() - each.user_attrs.get(ALIVE, 0) > self.stale:
                    put_back(self.study, each.number)
            states = [trial.state for trial in self.study.get_trials(deepcopy=False)]
            begun = sum(
                state in (self._states.COMPLETE, self._states.PRUNED, self._states.RUNNING)
                for state in states
            )
            if begun >= self.plan.trials:
                return None
            trial = self.study.ask()
            suggest(trial, self.plan)
            if "run" not in trial.user_attrs:
                trial.set_user_attr("run", f"trial-{trial.number:04d}")
            trial.set_user_attr(ALIVE, time.time())
            return trial

    def _others(self) -> bool:
        """Whether trials are begun or waiting, those of other processes among them."""
        return (
            bool(self.study.get_trials(deepcopy=False, states=(self._states.RUNNING,)))
            or len(self.trials()) < self.plan.trials
        )

    def _begin(self, trial: "optuna.Trial", workers: int) -> "Training":
        run = self.folder / trial.user_attrs["run"]
        process = start(self.program, run, {**self.plan.settings, **trial.params}, workers)
        return Training(trial, process, run)

    def _finished(self, training: Training, say: Say) -> bool:
        """Tell the study how far a training is; whether it has ended."""
        trial, name = training.trial, training.run.name
        code = training.process.poll()
        errors = losses(training.run)
        news = len(errors) > training.seen
        if code is not None or news or time.monotonic() - training.told > BEAT:
            if self.study.get_trials(deepcopy=False)[trial.number].state != self._states.RUNNING:
                end(training.process)
                say(f"{name}: another process took it up, since this one gave no sign of life")
                return True
            trial.set_user_attr(ALIVE, time.time())
            training.told = time.monotonic()
        for epoch in range(training.seen, len(errors)):
            trial.report(errors[epoch], epoch)
        training.seen = max(training.seen, len(errors))
        if code is None and not (news and trial.should_prune()):
            return False
        end(training.process)
        if code is None:
            self.study.tell(trial, state=self._states.PRUNED)
            say(f"{name}: stopped after {len(errors)} epochs, val_loss {errors[-1]:.5f}: others were better")
        elif code == 0:
            best = {**self.plan.settings, **trial.params}.get("patience")  # whose weights are kept
            self.study.tell(trial, min(errors) if best else errors[-1])
            done = f"{len(self.trials())} of {self.plan.trials} done"
            say(f"{name}: val_loss {min(errors) if best else errors[-1]:.5f} ({done})")
        elif code < 0 or code in PRUNED:
            trial.set_user_attr("reason", reason(training.run))
            self.study.tell(trial, state=self._states.PRUNED)
            say(f"{name}: left out: {reason(training.run)}")
        elif code in STOPPED:
            put_back(self.study, trial.number)
        else:
            kind = {each.exit_code: each for each in KaeError.__subclasses__()}.get(code, KaeError)
            raise kind(f"{name} failed: {reason(training.run)}\nWhat it printed: {training.run}.log")
        return True

    def _stop(self, at_work: list[Training]) -> None:
        for training in at_work:
            close(training.process)
        for training in at_work:
            end(training.process)
            with self.lock:
                put_back(self.study, training.trial.number)


def _told(settings: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in settings.items()
    )
