"""A throw-away SLURM on one machine: three nodes, two partitions, two GPUs that are no GPUs.

Everything lies in one folder: keys, sockets, state, logs. Nothing outside is read or written, and
only processes whose pid files lie in that folder are ended. There is no accounting data base
(hence no `sacct`) and no cgroup: memory is enforced by polling (`OverMemoryKill`).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")
NODES = ("node1", "node2", "gpu1")
GPUS = ("/dev/null", "/dev/zero")
"""Devices that stand for GPUs: every machine has them, and none needs to be made."""
GRES = "AutoDetect=off\n" + "".join(f"NodeName=gpu1 Name=gpu File={device}\n" for device in GPUS)
LONGEST = 65
"""Characters of the folder's path: slurmd's sockets lie below it, and Linux allows them 107."""
CONF = r"""
ClusterName=throwaway
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={top}/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={top}/state
SlurmdSpoolDir={top}/spool.%n
SlurmctldPidFile={top}/slurmctld.pid
SlurmdPidFile={top}/%n.pid
SlurmctldLogFile={top}/slurmctld.log
SlurmdLogFile={top}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,defer_batch
ReturnToService=2
MinJobAge=3600
KillWait=1
CompleteWait=0
InactiveLimit=0
SlurmdParameters=config_overrides
GresTypes=gpu
DefMemPerCPU=500
NodeName=node1 NodeHostname={host} NodeAddr=127.0.0.1 Port={port1} CPUs=4 RealMemory=16000
NodeName=node2 NodeHostname={host} NodeAddr=127.0.0.1 Port={port2} CPUs=4 RealMemory=16000
NodeName=gpu1 NodeHostname={host} NodeAddr=127.0.0.1 Port={port3} CPUs=4 RealMemory=16000 \
  Gres=gpu:{gpus}
PartitionName=cpu Nodes=node1,node2 Default=YES State=UP
PartitionName=gpu Nodes=gpu1 State=UP
"""
SACCT = """\
for last; do :; done
case "$*" in
  *--name*) exec squeue --states=all --noheader --format="%i|%T" --name "$last" ;;
esac"""
"""What the executor asks sacct, answered by the controller."""
ASKED = "JobArrayID:20|,State:20|,Comment:300|,NodeList:40|,tres-per-job:40"


def missing() -> str:
    """Return why no SLURM can be started here, or '' when one can."""
    lacking = [p for p in PROGRAMS if which(p) is None]
    if lacking:
        return f"{', '.join(lacking)} not installed (Debian: apt-get install slurm-wlm munge)"
    if os.geteuid() != 0:
        return "slurmd needs root"
    return ""


def which(program: str) -> str | None:
    """Find a program; daemons live in /usr/sbin, which is not on everybody's path."""
    return shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Wait until a condition holds; TimeoutError names what was waited for."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not so after {seconds} s")
        time.sleep(0.1)


@dataclass(frozen=True)
class Job:
    """A line of squeue: id, state, what the plug-in wrote as comment, node, GPUs asked for."""

    id: str
    state: str
    comment: str
    node: str
    gres: str


class Cluster:
    """The daemons below a folder. Use as a context manager."""

    def __init__(self, top: Path) -> None:
        if len(str(top)) > LONGEST:
            raise ValueError(f"{top}: {len(str(top))} characters; at most {LONGEST} fit a socket")
        self.top = top
        path = f"{top}/bin:{os.environ['PATH']}"
        self.env = {"SLURM_CONF": str(top / "slurm.conf"), "PATH": path}

    def __enter__(self) -> Cluster:
        self.top.mkdir(exist_ok=True)
        (self.top / "state").mkdir(exist_ok=True)
        key = self.top / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        ports = free_ports(4)
        names = ("port", "port1", "port2", "port3")
        text = CONF.format(
            host=socket.gethostname().split(".")[0], top=self.top, gpus=len(GPUS),
            **dict(zip(names, ports, strict=True)),
        )  # fmt: skip
        (self.top / "slurm.conf").write_text(text)
        (self.top / "gres.conf").write_text(GRES)
        # Inside a job the executor drops every SLURM_* variable before it calls srun.
        self._stand_in("srun", f'SLURM_CONF={self.top}/slurm.conf exec {which("srun")} "$@"')
        # There is no data base to ask; the executor would, whenever the controller is silent.
        self._stand_in("sacct", SACCT)
        try:
            self._run(
                "munged", "--force", f"--key-file={key}", f"--socket={self.top}/munge.socket",
                f"--pid-file={self.top}/munged.pid", f"--log-file={self.top}/munged.log",
                f"--seed-file={self.top}/munged.seed",
            )  # fmt: skip
            self.start_controller("-c")
            for node in NODES:
                self._run("slurmd", "-f", str(self.top / "slurm.conf"), "-N", node)
            wait_for(lambda: self.states() == dict.fromkeys(NODES, "idle"), "all nodes idle", 60)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._pid("slurmctld"):
            self.tell("scancel", "--user=root", check=False)
            time.sleep(0.5)
        self._end(*NODES, "slurmctld", "munged")

    def _stand_in(self, program: str, text: str) -> None:
        path = self.top / "bin" / program
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def start_controller(self, *words: str) -> None:
        """Start slurmctld; `-c` forgets every job, `-r` takes them up again."""
        self._run("slurmctld", "-f", str(self.top / "slurm.conf"), *words)
        wait_for(lambda: self.tell("scontrol", "ping", check=False).returncode == 0, "controller")

    def stop_controller(self) -> None:
        """End slurmctld as a reboot would: it saves its state."""
        self._end("slurmctld")

    def tell(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a SLURM command against this cluster."""
        return subprocess.run(
            [which(words[0]) or words[0], *words[1:]], env={**os.environ, **self.env},
            capture_output=True, text=True, check=check, timeout=60,
        )  # fmt: skip

    def states(self) -> dict[str, str]:
        """Node -> state, e.g. idle, mixed, drained."""
        told = self.tell("sinfo", "-h", "-N", "-o", "%N %T", check=False).stdout.split()
        return {n: s.rstrip("*~#!%$@^-") for n, s in zip(told[::2], told[1::2], strict=True)}

    def jobs(self) -> list[Job]:
        """All jobs that the controller remembers, ended ones with them."""
        told = self.tell(
            "squeue", "--states=all", "-h", "-O", ASKED, check=False
        ).stdout.splitlines()
        return [Job(*(word.strip() for word in line.split("|"))) for line in told]

    def log(self) -> str:
        """What the controller wrote."""
        return (self.top / "slurmctld.log").read_text()

    def _run(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [which(program) or program, *words], env={**os.environ, **self.env},
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stdout}{done.stderr}")
        wait_for(lambda: self._pid(words[-1] if program == "slurmd" else program) > 0, program)

    def _pid(self, name: str) -> int:
        try:
            return int((self.top / f"{name}.pid").read_text())
        except (OSError, ValueError):
            return 0

    def _end(self, *names: str) -> None:
        """End daemons by their pid files, all at once; by force what has not gone after 5 s."""
        pids = {name: pid for name in names if (pid := self._pid(name))}
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in pids.values():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            with contextlib.suppress(TimeoutError):
                wait_for(lambda: not any(map(alive, pids.values())), "end of daemons", 5)
                break
        for name in pids:
            (self.top / f"{name}.pid").unlink(missing_ok=True)


def alive(pid: int) -> bool:
    """Whether a process runs; one that waits for its parent to notice its end does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def free_ports(n: int) -> list[int]:
    """Return ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(n)]
    for found in sockets:
        found.bind(("127.0.0.1", 0))
    ports = [found.getsockname()[1] for found in sockets]
    for found in sockets:
        found.close()
    return ports
