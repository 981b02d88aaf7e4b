"""The processes of one training, and what they send each other."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, Self

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.rendezvous import rendezvous

from flowzoo.errors import FlowzooError, OptionError
from flowzoo.training.together.launch import Launch

PATIENCE = timedelta(days=30)
"""How long processes wait for each other, since a validation may take hours. A lost one shows at once."""

MEETING = timedelta(minutes=10)
"""How long processes wait until all have started."""

_MOMENT = timedelta(seconds=5)

_ENDED = "ended"
_SAID = "said"


class LostProcessError(FlowzooError):
    """A process of the training has ended."""


class Team:
    """The processes that train a model together; :meth:`alone` is a single one.

    All that they send are tensors: numbers, and the bytes of JSON and of safetensors files. Messages travel
    by gloo, and so do gradients on the CPU. On GPUs gradients travel by NCCL.

    Attributes:
        rank: Number of this process; 0 leads.
        count: Number of processes.
        signal: Number of a signal that asked one of them to stop, as of the last step; None without one.
    """

    def __init__(self, launch: Launch) -> None:
        self.rank = launch.rank
        self.count = launch.count
        self.signal: int | None = None
        self._local = launch.local
        self._restarts = launch.restarts
        self._store: Any = None
        self._messages: Any = None
        self._gradients: Any = None

    @classmethod
    def alone(cls) -> Self:
        """Return the team of a process that trains alone."""
        return cls(Launch())

    @property
    def is_alone(self) -> bool:
        return self.count == 1

    def share_of(self, count: int) -> slice:
        """Return this process's share of so many images or batches of a step."""
        share = count // self.count
        return slice(self.rank * share, (self.rank + 1) * share)

    def meet(self) -> None:
        """Wait until all processes have started.

        Raises:
            FlowzooError: They have not found each other.
        """
        try:
            store, _, _ = next(rendezvous("env://", self.rank, self.count, timeout=MEETING))
            # After a restart the store may hold where the processes before could be reached.
            self._store = dist.PrefixStore(f"flowzoo/{self._restarts}", store)  # type: ignore[attr-defined]
            dist.init_process_group(
                "gloo", store=self._store, rank=self.rank, world_size=self.count, timeout=MEETING
            )
            self._messages = self._gradients = dist.new_group(backend="gloo", timeout=PATIENCE)
        except (RuntimeError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise FlowzooError(
                f"the {self.count} processes of this training have not found each other ({reason}). Check "
                "that all were started, and that MASTER_ADDR and MASTER_PORT are the same for all"
            ) from error

    def device(self, name: str) -> str:
        """Return the device of this process where a user asks for ``name``: each has a GPU of its own.

        Raises:
            OptionError: There are fewer GPUs than processes on this machine.
        """
        if self.is_alone or name not in ("auto", "cuda") or not torch.cuda.is_available():
            return name
        gpus = torch.cuda.device_count()
        if self._local >= gpus:
            raise OptionError(
                f"machine {socket.gethostname()} has {gpus} GPU(s), and more processes were started on it. "
                f"Start {gpus} on each machine, or train with --device cpu"
            )
        return f"cuda:{self._local}"

    def settle(self, device: torch.device | None, problem: str = "") -> list[str]:
        """Agree on how gradients travel, after all processes know whether they can train.

        Args:
            device: Where this process trains; None if it cannot.
            problem: Why it cannot.

        Returns:
            Why processes cannot train; empty if all can.
        """
        if self.is_alone:
            return []
        place = [socket.gethostname(), str(device), "" if device is None else device.type]
        told = [json.loads(each) for each in self.texts(json.dumps([*place, problem]))]
        problems = [each[3] for each in told if each[3]]
        kinds = {each[2] for each in told}
        if not problems and len(kinds) > 1:
            problems = [
                f"the processes have devices of different kinds ({', '.join(sorted(kinds))}). Give all the "
                "same: --device cpu or --device cuda"
            ]
        if not problems and kinds == {"cuda"}:
            assert device is not None
            torch.cuda.set_device(device)
            # NCCL has no place for two processes on one GPU; gloo has, slowly.
            if len({(each[0], each[1]) for each in told}) == self.count:
                with self._noticing():
                    self._gradients = dist.new_group(backend="nccl", timeout=MEETING)
        return problems

    def tell(self, *numbers: float) -> None:
        """Send numbers from the leader to the others, as many as :meth:`hear` expects."""
        with self._noticing():
            dist.broadcast(torch.tensor(numbers, dtype=torch.float64), 0, group=self._messages)

    def hear(self, count: int) -> list[float]:
        """Return so many numbers from the leader."""
        numbers = torch.zeros(count, dtype=torch.float64)
        with self._noticing():
            dist.broadcast(numbers, 0, group=self._messages)
        found: list[float] = numbers.tolist()
        return found

    def send(self, data: bytes) -> None:
        """Send bytes from the leader to the others."""
        self.tell(len(data))
        with self._noticing():
            dist.broadcast(torch.frombuffer(bytearray(data), dtype=torch.uint8), 0, group=self._messages)

    def receive(self) -> bytes:
        """Return the bytes that the leader sends."""
        data = torch.zeros(int(self.hear(1)[0]), dtype=torch.uint8)
        with self._noticing():
            dist.broadcast(data, 0, group=self._messages)
        return data.numpy().tobytes()

    def texts(self, own: str) -> list[str]:
        """Give a text to all processes, and return the texts of all, by rank."""
        encoded = own.encode()
        sizes = [torch.zeros(1, dtype=torch.int64) for _ in range(self.count)]
        with self._noticing():
            dist.all_gather(sizes, torch.tensor([len(encoded)]), group=self._messages)
            longest = max(1, *(int(each) for each in sizes))
            padded = torch.zeros(longest, dtype=torch.uint8)
            padded[: len(encoded)] = torch.frombuffer(bytearray(encoded or b" "), dtype=torch.uint8)[
                : len(encoded)
            ]
            rows = [torch.zeros_like(padded) for _ in range(self.count)]
            dist.all_gather(rows, padded, group=self._messages)
        return [row.numpy().tobytes()[: int(size)].decode() for row, size in zip(rows, sizes, strict=True)]

    def most_precise(self, place: str) -> str:
        """Return where numbers stop being finite, as the process sees it that comes closest to the cause.

        Gradients are the same in all processes, and only one may have computed what is wrong.
        """
        if self.is_alone:
            return place
        places = sorted(filter(None, self.texts(place)), key=lambda each: each.startswith("the gradient"))
        return places[0] if places else ""

    def sum(self, values: Tensor) -> None:
        """Put the sum over all processes in place of each one's values."""
        with self._noticing():
            dist.all_reduce(values, group=self._gradients)

    def leave(self, *numbers: float) -> None:
        """Send the leader's last numbers, whatever the others are doing, and end all connections.

        They may wait for something else, where the leader ends by an error. So they can look it up, too.
        """
        with suppress(RuntimeError):
            self._store.set(_ENDED, b"1")
            last = torch.tensor(numbers, dtype=torch.float64)
            dist.broadcast(last, 0, group=self._messages, async_op=True).wait(_MOMENT)
        self.close()

    def close(self) -> None:
        """End all connections, after the leader's last numbers.

        The threads of gloo end with the last reference to their group. One that still runs when Python ends
        may abort the process, and a training that went well would count as failed.
        """
        self._messages = self._gradients = None
        with suppress(RuntimeError):
            dist.destroy_process_group()

    def leader_has_left(self) -> bool:
        """Whether the leader has ended by itself."""
        try:
            return bool(self._store.check([_ENDED]))
        except RuntimeError:  # the process that held the store is gone
            return False

    def is_first(self) -> bool:
        """Whether this process is the first that asks; so what all notice is said once."""
        try:
            return bool(self._store.add(_SAID, 1) == 1)
        except RuntimeError:
            return True

    @contextmanager
    def _noticing(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            raise LostProcessError(
                f"one of the {self.count} processes of this training has ended, or its machine is gone"
            ) from error
