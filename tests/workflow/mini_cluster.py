"""A real SLURM on one machine: munged, slurmctld and two slurmd with two fake GPUs each.

It needs Debian's slurmctld, slurmd, slurm-client and munge, and starts within seconds; with
accounting also slurmdbd and mariadb-server, and a little longer. Everything it writes lies in its
folder. Ports are its own, so that it disturbs no other cluster.
"""

import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import time
from contextlib import suppress
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue")
ACCOUNTING_PROGRAMS = (
    "slurmdbd",
    "mariadbd",
    "mariadb-install-db",
    "mariadb-admin",
    "sacct",
    "sacctmgr",
)
_SRUN = shutil.which("srun")
# A requeued job waits until its credentials have expired: five seconds here instead of 120.
# A GPU is a device file; CUDA_VISIBLE_DEVICES of a job is its number on the node.
FAKE_GPUS = {"n1": "/dev/null,/dev/zero", "n2": "/dev/full,/dev/random"}

_CONF = """
ClusterName=mini
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/run/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/{accounting}
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,bf_interval=1,sched_interval=2
ReturnToService=1
SlurmdParameters=config_overrides
MinJobAge=300
SlurmctldTimeout=30
SlurmdTimeout=30
KillWait=15
GresTypes=gpu
"""
_ACCOUNTING = """
AccountingStorageHost=127.0.0.1
AccountingStoragePort={port}
AccountingStoragePass={folder}/run/munge.socket
AccountingStorageTRES=gres/gpu
"""
_DBD_CONF = """
AuthType=auth/munge
AuthInfo=socket={folder}/run/munge.socket
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser=root
PidFile={folder}/run/slurmdbd.pid
LogFile={folder}/log/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database_port}
StorageUser=root
"""
_PARTITIONS = """\
PartitionName=cpu Nodes=n1,n2 Default=YES MaxTime=60 State=UP
PartitionName=gpu Nodes=n1,n2 MaxTime=60 State=UP
"""
_NODE = (
    "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} "
    "CPUs=2 RealMemory=8000 Gres=gpu:fake:2 State=UNKNOWN\n"
)


def why_not(*, accounting: bool = False) -> str | None:
    """Why no cluster can be started here, None if one can."""
    packages = "slurmctld slurmd slurm-client munge" + " slurmdbd mariadb-server" * accounting
    programs = (*PROGRAMS, *ACCOUNTING_PROGRAMS * accounting)
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        return f"no {missing[0]}: apt-get install {packages}"
    if os.geteuid() != 0:
        return "SLURM's daemons are started as root here"
    return None


def _free_ports(n: int) -> list[int]:
    sockets = [socket.socket() for _ in range(n)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class MiniCluster:
    def __init__(self, folder: Path, *, accounting: bool = False):
        self.folder, self.accounting = folder, accounting
        self._database: subprocess.Popen | None = None
        for name in ("run", "state", "spool/n1", "spool/n2", "log", "bin"):
            (folder / name).mkdir(parents=True)
        host = socket.gethostname()
        port, dbd_port, self.database_port, *node_ports = _free_ports(3 + len(FAKE_GPUS))
        nodes = "".join(
            _NODE.format(name=name, host=host, port=node_port)
            for name, node_port in zip(FAKE_GPUS, node_ports, strict=True)
        )
        storage = "slurmdbd" if accounting else "none"
        general = _CONF.format(host=host, folder=folder, port=port, accounting=storage)
        if accounting:
            general += _ACCOUNTING.format(folder=folder, port=dbd_port)
            dbd_conf = folder / "slurmdbd.conf"
            dbd_conf.write_text(
                _DBD_CONF.format(
                    host=host, folder=folder, port=dbd_port, database_port=self.database_port
                )
            )
            dbd_conf.chmod(0o600)
        self.conf = folder / "slurm.conf"
        self.conf.write_text(general + nodes + _PARTITIONS)
        (folder / "gres.conf").write_text(
            "".join(
                f"NodeName={node} Name=gpu Type=fake File={files}\n"
                for node, files in FAKE_GPUS.items()
            )
        )
        # Snakemake's jobs lose SLURM_CONF before their inner srun; a site has /etc/slurm instead.
        srun = folder / "bin/srun"
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={self.conf} exec {_SRUN} "$@"\n')
        srun.chmod(srun.stat().st_mode | stat.S_IXUSR)
        self.environment = {
            "SLURM_CONF": str(self.conf),
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        }

    def start(self) -> None:
        run, log = self.folder / "run", self.folder / "log"
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        self._daemon(
            "munged",
            f"--key-file={key}",
            f"--socket={run}/munge.socket",
            f"--pid-file={run}/munged.pid",
            f"--log-file={log}/munged.log",
            f"--seed-file={run}/munged.seed",
            "--force",
        )
        if self.accounting:
            self._start_accounting()
        self.start_controller()
        for node in FAKE_GPUS:
            self._daemon("slurmd", "-N", node)
        self.wait_until(
            lambda: self.ask("sinfo", "-h", "-p", "cpu", "-o", "%T %D").split() == ["idle", "2"]
        )

    def _start_accounting(self) -> None:
        data = f"--datadir={self.folder}/database"
        normal = "--auth-root-authentication-method=normal"
        self._daemon("mariadb-install-db", "--no-defaults", data, "--user=root", normal)
        self._database = subprocess.Popen(
            [
                "mariadbd",
                "--no-defaults",
                data,
                "--user=root",
                "--skip-grant-tables",
                "--bind-address=127.0.0.1",
                f"--port={self.database_port}",
                f"--socket={self.folder}/run/database.socket",
            ],
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "log/database.log").open("w"),
        )
        ready = ("mariadb-admin", f"--socket={self.folder}/run/database.socket", "ping")
        self.wait_until(lambda: "is alive" in self.ask(*ready))
        self._daemon("slurmdbd")
        self.wait_until(lambda: "mini" in self.ask("sacctmgr", "-i", "add", "cluster", "mini"))

    def start_controller(self) -> None:
        self._daemon("slurmctld")
        self.wait_until(lambda: "is UP" in self.ask("scontrol", "ping"))

    def stop_controller(self) -> None:
        self.ask("scontrol", "shutdown", "slurmctld")
        self._end("slurmctld")

    def stop(self) -> None:
        try:
            self.ask("scancel", "--user=root")
            self.wait_until(lambda: not self.jobs(format="%i"), seconds=60)
        finally:
            self._end("slurmd-n1", "slurmd-n2", "slurmctld")
            self._end("slurmdbd", "munged")
            if self._database:
                self._database.terminate()
                self._database.wait(timeout=30)

    def ask(self, *command: str) -> str:
        environment = {**os.environ, **self.environment}
        run = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        return run.stdout + run.stderr

    def jobs(self, *options: str, format: str) -> list[str]:
        return self.ask("squeue", "-h", "-o", format, *options).splitlines()

    @staticmethod
    def wait_until(condition, seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.2)

    def _daemon(self, *command: str) -> None:
        environment = {**os.environ, **self.environment}
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60)

    def _end(self, *names: str) -> None:
        pids = []
        for name in names:
            with suppress(OSError, ValueError):
                pids.append(int((self.folder / f"run/{name}.pid").read_text()))
                os.kill(pids[-1], signal.SIGTERM)
        end = time.monotonic() + 20
        while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < end:
            time.sleep(0.1)
