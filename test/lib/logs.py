# SPDX-License-Identifier: Apache-2.0
"""Containers that write, and whether their logs are what they wrote.

    writer = Writer(node, pod, config, "a", "7", "100000")    # a container that runs lib/writer.c
    node.wait_exited(writer.id)
    writer.check()                                            # byte for byte, in all log files
"""

import json
import os
import re
import subprocess

from case import TOP, check, cri, equal, wait_for

PROGRAM = "/run/writer"
RECORD_MAX = 16384
RECORD = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9})Z (stdout|stderr) ([FP]) (.*)", re.S)
LOSS = re.compile(rb"\[crio-iod: (\d+) records \((\d+) bytes\) are missing here: ")
CACHE = "/var/cache/crio-test"


def install(node):
    """Puts the program into the node, once."""
    program, source = f"{CACHE}/writer", f"{TOP}/test/lib/writer.c"
    if not os.path.exists(program) or os.path.getmtime(program) < os.path.getmtime(source):
        subprocess.run(["gcc", "-O2", "-static", "-Wall", "-Werror", "-o", f"{program}.{os.getpid()}", source], check=True)
        os.rename(f"{program}.{os.getpid()}", program)
    if not os.path.exists(node.path(PROGRAM)):
        subprocess.run(["install", "-m", "0755", program, node.path(PROGRAM)], check=True)


def parse(data, what):
    """Records of one log file: (time, stream, partial, content)."""
    check(data == b"" or data.endswith(b"\n"), f"{what}: ends in the middle of a record: {data[-60:]!r}")
    records, before = [], b""
    for line in data.split(b"\n")[:-1]:
        m = RECORD.fullmatch(line)
        check(m, f"{what}: not a record: {line[:80]!r}")
        time, stream, tag, content = m.groups()
        check(time >= before, f"{what}: time goes back from {before} to {time}")
        check(len(content) <= RECORD_MAX, f"{what}: a record of {len(content)} bytes")
        before = time
        records.append((time, stream.decode(), tag == b"P", content))
    return records


def join(records, stream):
    """What was written to a stream."""
    return b"".join(content + (b"" if partial else b"\n") for _, s, partial, content in records if s == stream)


class Writer:
    def __init__(self, node, pod, pod_config, name, *arguments, start=True, no_log=False, **fields):
        install(node)
        self.node, self.name = node, name
        self.directory = f"/run/writers/{name}"
        node.run("mkdir", "-p", self.directory)
        config = node.container_config(
            name,
            ["/writer", "/data", *arguments],
            mounts=[
                cri.Mount(container_path="/data", host_path=self.directory),
                cri.Mount(container_path="/writer", host_path=PROGRAM, readonly=True),
            ],
            **fields,
        )
        if no_log:
            config.log_path = ""
        self.log = f"{pod_config.log_directory}/{config.log_path}"
        self.id = node.create(pod, config, pod_config)
        self.old = []
        if start:
            node.cri.StartContainer(container_id=self.id)

    def stop(self):
        """Lets it end after its next write, and waits for that."""
        self.node.write(f"{self.directory}/stop", "")
        return self.node.wait_exited(self.id)

    def read(self, path):
        with open(self.node.path(path), "rb") as f:
            return f.read()

    def wrote(self, stream):
        path = f"{self.directory}/{stream[3:]}"
        return self.read(path) if os.path.exists(self.node.path(path)) else b""

    def rotate(self):
        """As the kubelet does it; returns the old file's name."""
        old = f"{self.log}.{len(self.old)}"
        os.rename(self.node.path(self.log), self.node.path(old))
        self.old.append(old)
        self.node.cri.ReopenContainerLog(container_id=self.id)
        return old

    def records(self):
        return [r for path in [*self.old, self.log] for r in parse(self.read(path), path)]

    def check(self, killed=False):
        """killed: the program may have written one piece more than it could note."""
        records = self.records()
        for stream in ("stdout", "stderr"):
            got, wrote = join(records, stream), self.wrote(stream)
            if killed:
                check(got.startswith(wrote) and len(got) - len(wrote) < 200000, f"{self.name}: {stream} is not what was written")
                continue
            if got != wrote:
                at = len(os.path.commonprefix([got, wrote]))
                check(
                    False,
                    f"{self.name}: {stream}: {len(got)} bytes in the log, {len(wrote)} written, different at {at}: "
                    f"{got[at:at + 60]!r} for {wrote[at:at + 60]!r}",
                )
        return records

    def remove(self):
        self.node.cri.RemoveContainer(container_id=self.id)


def lines_lost(records):
    """Sum of what the log says is missing."""
    return sum(int(m.group(1)) for _, _, _, content in records if (m := LOSS.match(content)))


def journal(node, *matches):
    """Entries of the journal that are not PID 1's, as dicts; in order."""
    out = node.run("journalctl", "-q", "--no-pager", "-a", "-o", "json", *matches, timeout=120)
    return [e for line in out.splitlines() if (e := json.loads(line))["_PID"] != "1"]


def message(entry):
    """The text of an entry: bytes, also where journalctl gives numbers."""
    m = entry["MESSAGE"]
    return m.encode() if isinstance(m, str) else bytes(m)
