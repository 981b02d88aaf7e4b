"""Ray: a local instance, or a cluster of any size."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from flowzoo.bench.engines.engine import Attempt, Engine, Job, Lost, Refused
from flowzoo.bench.engines.node import MARK, run_cell
from flowzoo.bench.engines.options import RayOptions
from flowzoo.bench.engines.travel import deliver, pack, replace_contents
from flowzoo.program_process import Message

_STORE = 100 * 2**20
"""Bytes of shared memory of a local instance, whose cells write their files themselves."""

_ANSWER = 10.0
"""Seconds in which a cluster has to answer."""

_GRACE = 5.0
"""Seconds that a cancelled cell has to remove its files."""


class RayEngine(Engine):
    """Runs each cell as a task. Its messages come as a stream of the task's results."""

    _options: RayOptions
    _session = ""

    @classmethod
    def preview(cls, options: RayOptions, folder: Path) -> str:
        where = (
            f"the Ray cluster at {options.address}" if options.address else "a Ray instance on this machine"
        )
        return (
            f"each as a task of {where}, with {options.cpus} CPUs and {options.gpus} GPUs, started again up "
            f"to {options.retries} times"
        )

    def open(self) -> int:
        os.environ.setdefault(
            "RAY_USAGE_STATS_ENABLED", "0"
        )  # Ray would send figures about its use to its makers
        if self._options.address is None:
            # The library would otherwise write a token into the home folder, and say so.
            os.environ.setdefault("RAY_AUTH_MODE", "token")
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        import ray

        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if self._options.address is None:
            self._session = tempfile.mkdtemp(prefix="flowzoo-ray-")
            where: dict[str, Any] = {
                "num_cpus": _cores(),
                "include_dashboard": False,
                "object_store_memory": _STORE,
                "_temp_dir": self._session,
            }
        elif "://" in self._options.address:
            raise Refused(
                f"--address {self._options.address} is not a Ray cluster's HOST:PORT. Run the command on one "
                "of the cluster's machines, or submit it with 'ray job submit', and use --address auto"
            )
        else:
            where = {"address": self._options.address}
            _require_answer(self._options.address)
        try:
            ray.init(**where, **quiet)
        except (ConnectionError, TimeoutError, ValueError, RuntimeError, OSError) as error:
            reason = str(error).strip().split("\n")[0]
            place = self._options.address or "this machine"
            raise Refused(
                f"cannot use Ray at {place}: {reason}. Check --address, and that the cluster runs"
            ) from error
        return self._room(ray)

    def _room(self, ray: Any) -> int:
        """Return the number of cells that fit on the machines that are there now."""
        resources = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        needs = {"CPU": self._options.cpus, "GPU": self._options.gpus}
        room = sum(
            min(int(node.get(name, 0) // amount) for name, amount in needs.items() if amount)
            for node in resources
        )
        if not room and self._options.address is None:
            has = {name: int(max(node.get(name, 0) for node in resources)) for name in needs}
            raise Refused(
                f"a cell needs {needs['CPU']} CPUs and {needs['GPU']} GPUs, and this machine has "
                f"{has['CPU']} and {has['GPU']}. Use smaller --cpus and --gpus, or a cluster's --address"
            )
        return max(1, room)

    def start(self, job: Job) -> Attempt:
        return _RayAttempt(job, self._options)

    def close(self) -> None:
        import ray

        ray.shutdown()
        if self._session:
            shutil.rmtree(self._session, ignore_errors=True)


class _RayAttempt(Attempt):
    def __init__(self, job: Job, options: RayOptions) -> None:
        import ray

        self._job = job
        self._ended = False
        # Ray would start a task again by itself, but drop as many messages as the first attempt had sent.
        task = ray.remote(run_cell).options(
            num_cpus=options.cpus,
            num_gpus=options.gpus,
            num_returns="streaming",
            max_retries=0,
            name="flowzoo cell",
        )
        self._stream = task.remote(dict(job), _carried(Path(job["work"])))

    def messages(self) -> Iterator[Message]:
        import ray
        from ray.exceptions import LocalRayletDiedError, RayError, RayTaskError

        try:
            for each in self._stream:
                message = ray.get(each)
                if "files" in message:
                    self._take(message["files"])
                else:
                    yield message
        except RayTaskError as error:
            reason = str(error).strip().split("\n")[-1]
            raise Refused(
                f"a machine of the Ray cluster cannot run cells: {reason}. Install the same flowzoo, plugins "
                "and libraries on all machines"
            ) from error
        except LocalRayletDiedError as error:
            raise Refused("Ray has stopped on this machine") from error
        except RayError as error:
            raise Lost(f"its worker died ({type(error).__name__})") from error
        finally:
            self._ended = True

    def cancel(self) -> None:
        import ray
        from ray.exceptions import RayError

        with suppress(RayError, ValueError):
            ray.cancel(self._stream, force=False)
            until = time.monotonic() + _GRACE
            while not self._ended and time.monotonic() < until:
                time.sleep(0.05)
            if not self._ended:
                ray.cancel(self._stream, force=True)

    def _take(self, files: dict[str, bytes]) -> None:
        work = Path(self._job["work"])
        replace_contents(files["work"], work)
        deliver(files["results"], Path(self._job["result"]), work)


def _carried(work: Path) -> bytes:
    """Return the work folder of an interrupted cell; empty if there is nothing in it to go on from."""
    return pack(work) if any(path.name != MARK for path in work.iterdir()) else b""


def _require_answer(address: str) -> None:
    """Refuse an address at which nothing answers; Ray itself would try for minutes.

    Raises:
        Refused: It is no ``HOST:PORT``, or nothing answers there.
    """
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise Refused(f"--address {address} is neither HOST:PORT, as in 10.0.0.1:6379, nor auto")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER).close()
    except (OSError, OverflowError) as error:
        raise Refused(f"no Ray cluster answers at {address}: {error}. Check --address") from error


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
