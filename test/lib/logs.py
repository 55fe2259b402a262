# SPDX-License-Identifier: Apache-2.0
"""Containers that write, and whether their logs are what they wrote.

    writer = Writer(node, pod, config, "a", "7", "100000")    # a container that runs lib/writer.c
    node.wait_exited(writer.id)
    writer.check()                                            # byte for byte, in all log files
"""

import ctypes
import json
import os
import re
import socket
import struct
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


def connect(node, uid=0):
    """A socket that is connected to crio-iod by a process of the node (of others it does not see the number)."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            namespace = os.open(f"/proc/{node.leader}/ns/pid", os.O_RDONLY)
            os.chdir(node.path("/run/crio"))
            if ctypes.CDLL(None).setns(namespace, 0) == 0 and os.fork() == 0:
                os.setgroups([])
                os.setresuid(uid, uid, uid)
                s = socket.socket(socket.AF_UNIX)
                s.connect("iod.sock")
                socket.send_fds(theirs, [b"x"], [s.fileno()])
            status = 0
        finally:
            os._exit(status)
    theirs.close()
    os.waitpid(pid, 0)
    ours.settimeout(10)
    data, fds, _, _ = socket.recv_fds(ours, 1, 1)
    ours.close()
    check(fds, "no connection to crio-iod")
    s = socket.socket(fileno=fds[0])
    s.settimeout(10)
    return s


HELLO = b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n"


class Iod:
    """A connection to crio-iod, as crio has one (src/peer/iod-protocol.h): D-Bus by hand, without descriptors of ours."""

    def __init__(self, node):
        self.socket = connect(node)
        self.socket.sendall(HELLO)
        data = b""
        while not data.endswith(b"AGREE_UNIX_FD\r\n"):
            more = self.socket.recv(4096)
            check(more and b"REJECTED" not in more, f"crio-iod does not talk to us: {data + more!r}")
            data += more
        self.serial = 0

    @staticmethod
    def pad(data, n):
        return data + b"\0" * (-len(data) % n)

    def string(self, data, s):
        return self.pad(data, 4) + struct.pack("<I", len(s)) + s.encode() + b"\0"

    def send(self, member, signature="", body=b""):
        self.serial += 1
        fields = b""
        for code, kind, value in (1, "o", "/io/crio/Iod"), (2, "s", "io.crio.Iod1"), (3, "s", member):
            fields = self.string(self.pad(fields, 8) + bytes([code, 1]) + kind.encode() + b"\0", value)
        if signature:
            fields = self.pad(fields, 8) + bytes([8, 1]) + b"g\0" + bytes([len(signature)]) + signature.encode() + b"\0"
        head = struct.pack("<cBBBIII", b"l", 1, 0, 1, len(body), self.serial, len(fields))
        self.socket.sendall(self.pad(head + fields, 8) + body)

    def receive(self):
        """(whether it is a reply, not an error; body; descriptors)"""
        data, fds, _, _ = socket.recv_fds(self.socket, 16, 8, socket.MSG_WAITALL)
        check(len(data) == 16, "crio-iod closed the connection")
        n_body, _, n_fields = struct.unpack("<III", data[4:16])
        rest = self.socket.recv(n_fields + -n_fields % 8 + n_body, socket.MSG_WAITALL)
        return data[1] == 2, rest[len(rest) - n_body :], fds

    def call(self, *arguments):
        self.send(*arguments)
        return self.receive()

    def open(self, id):
        """Streams without a log or a copy in the journal; descriptors of stdout and stderr."""
        body = self.string(b"", id)
        body = self.pad(body, 4) + struct.pack("<II", 0, 0)
        body = self.pad(body, 8) + struct.pack("<q", -1)
        body = self.string(body, "")
        body = self.pad(body, 4) + struct.pack("<II", 0, 0)
        return self.call("Open", "sbbxsasah", body)

    def ids(self):
        return re.findall(rb"[0-9a-f]{64}", self.call("List")[1])

    def close(self):
        self.socket.close()


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
