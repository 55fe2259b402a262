# SPDX-License-Identifier: Apache-2.0
"""What cases in Python share: nodes, a CRI client, and the result lines that test/run reads.

    from case import Node, check, main

    def test_version(node):
        check(node.cri.Version().runtime_name == "cri-o", "runtime_name")

    main(globals())

main() boots a node of $SUITE (with "--vm": an emulated machine, one at a time), runs every function test_*(node) in the
order of the file, prints a result line for each (an exception is the reason of a failure), and takes the node down.
"""

import contextlib
import fcntl
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import grpc

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
SUITE = os.environ.get("SUITE", "bookworm")
REGISTRY = "127.0.0.1:5000"
BUSYBOX = REGISTRY + "/busybox"
CALL_TIMEOUT = 60


class Failed(Exception):
    """A check did not hold; its text is the reason."""


class Skipped(Exception):
    """The case can not run here; its text is the reason."""


def check(condition, reason):
    if not condition:
        raise Failed(reason)


def equal(got, expected, what=""):
    check(got == expected, f"{what}: got {got!r}, expected {expected!r}")


def wait_for(seconds, what, condition, pause=0.05):
    """Returns the first true value of condition()."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        check(time.monotonic() < deadline, f"waited {seconds} s for {what} in vain")
        time.sleep(pause)


def load_cri():
    """The messages of proto/cri.proto, compiled for this run."""
    out = tempfile.mkdtemp(prefix="crio-proto-")
    proto = os.path.join(TOP, "proto")
    subprocess.run(["protoc", "-I", proto, "--python_out", out, "cri.proto"], check=True)
    sys.path.insert(0, out)
    module = importlib.import_module("cri_pb2")
    subprocess.run(["rm", "-rf", out], check=True)
    return module


cri = load_cri()


class Cri:
    """A client: every call of both services is a method that takes a request message, or the request's fields.

    deadline: of the call, in seconds. NAME.future(...) begins a call and returns it.
    """

    def __init__(self, socket):
        options = [
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
            ("grpc.use_local_subchannel_pool", 1),  # not the connection that a killed daemon left
        ]
        self.channel = grpc.insecure_channel("unix:" + socket, options=options)
        self.methods = {}
        for service in cri.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                path = f"/{service.full_name}/{method.name}"
                request = getattr(cri, method.input_type.name)
                reply = getattr(cri, method.output_type.name)
                kind = self.channel.unary_stream if method.name.startswith("Stream") else self.channel.unary_unary
                call = kind(path, request_serializer=request.SerializeToString, response_deserializer=reply.FromString)
                self.methods[method.name] = (call, request)

    def __getattr__(self, name):
        try:
            call, request = self.methods[name]
        except KeyError:
            raise AttributeError(name) from None

        def invoke(message=None, deadline=CALL_TIMEOUT, **fields):
            return call(message if message is not None else request(**fields), timeout=deadline)

        invoke.future = lambda message=None, deadline=CALL_TIMEOUT, **fields: call.future(
            message if message is not None else request(**fields), timeout=deadline
        )
        return invoke

    def close(self):
        self.channel.close()


def refused(code, call, *args, words=(), **kwargs):
    """The call has to fail with this status code, and its text to hold these words. Returns the text."""
    try:
        call(*args, **kwargs)
    except grpc.RpcError as e:
        check(e.code().name == code, f"got {e.code().name} ({e.details()}), expected {code}")
        for word in words:
            check(word in e.details(), f"the text {e.details()!r} does not name {word!r}")
        return e.details()
    raise Failed(f"was accepted, expected {code}")


def vm_queue():
    """Waits until no other case runs an emulated machine; the wait of others ends with the file or this process."""
    cache = os.environ.get("CRIO_TEST_CACHE", "/var/cache/crio-test")
    os.makedirs(cache, exist_ok=True)
    queue = open(f"{cache}/.vm.lock", "w")
    fcntl.flock(queue, fcntl.LOCK_EX)
    return queue


class Node:
    """A booted node. Use as a context manager, or call down()."""

    def __init__(self, *options, suite=SUITE, name=None):
        self.name = name or f"c{os.getpid()}-{os.urandom(2).hex()}"
        self.vm = "--vm" in options
        self._queue = vm_queue() if self.vm else None
        self._cri = None
        self.n = 0
        try:
            subprocess.run([f"{TOP}/test/node", "up", self.name, "--suite", suite, *options], check=True, timeout=900)
        except BaseException:  # also a signal: the command was killed before it could clean up
            self.down()
            raise
        self.root = subprocess.run(
            [f"{TOP}/test/node", "root", self.name], check=True, capture_output=True, text=True
        ).stdout.strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.down()

    def down(self):
        self.reconnect()
        subprocess.run([f"{TOP}/test/node", "down", self.name], timeout=120)
        if self._queue:
            self._queue.close()

    @property
    def leader(self):
        """PID of the node's PID 1, as this machine sees it."""
        with open(f"/run/crio-test/{self.name}/nspawn.pid") as f:
            pid = f.read().strip()
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            return int(f.read().split()[0])

    def path(self, path):
        """A path of the node, also below its /run, as a path of this machine. Not of an emulated one."""
        check(not self.vm, "the files of an emulated machine are not here")
        return f"/proc/{self.leader}/root{path}"

    def read(self, path):
        if self.vm:
            return self.run("cat", path)
        with open(self.path(path)) as f:
            return f.read()

    def write(self, path, text):
        if self.vm:
            self.run("sh", "-c", 'cat >"$0"', path, input=text)
            return
        with open(self.path(path), "w") as f:
            f.write(text)

    def run(self, *command, timeout=60, check=True, input=None):
        """Runs a command in the node (one string: by sh -c); returns its output."""
        argv = ["sh", "-c", command[0]] if len(command) == 1 else list(command)
        done = subprocess.run(
            [f"{TOP}/test/node", "exec", self.name, *argv],
            stdin=subprocess.DEVNULL if input is None else None,
            input=input,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
        )
        if check and done.returncode != 0:
            raise Failed(f"{' '.join(command)}: exit status {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def status(self, *command, timeout=60):
        """Exit status of a command."""
        argv = ["sh", "-c", command[0]] if len(command) == 1 else list(command)
        return subprocess.run(
            [f"{TOP}/test/node", "exec", self.name, *argv],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
        ).returncode

    @property
    def cri(self):
        if not self._cri:
            self._cri = Cri(f"/run/crio-test/{self.name}/crio.sock" if self.vm else self.path("/run/crio/crio.sock"))
        return self._cri

    def reconnect(self):
        """The next call opens a new connection."""
        if self._cri:
            self._cri.close()
            self._cri = None

    def cut_power(self):
        """An emulated machine loses its power at once, and boots again."""
        self.reconnect()
        subprocess.run([f"{TOP}/test/node", "cut", self.name], check=True, timeout=600)

    # Short forms of what most cases do.

    def pull(self, image=BUSYBOX):
        return self.cri.PullImage(image=cri.ImageSpec(image=image)).image_ref

    def pod_config(self, name=None, **fields):
        self.n += 1
        name = name or f"pod{self.n}"
        config = cri.PodSandboxConfig(
            metadata=cri.PodSandboxMetadata(name=name, namespace="default", uid="uid-" + name),
            log_directory="/var/log/pods/" + name,
        )
        config.linux.SetInParent()
        config.MergeFrom(cri.PodSandboxConfig(**fields))
        return config

    def host_pod_config(self, name=None, **fields):
        config = self.pod_config(name, **fields)
        config.linux.security_context.namespace_options.network = cri.NODE
        return config

    def run_pod(self, config=None):
        config = config or self.pod_config()
        return self.cri.RunPodSandbox(config=config).pod_sandbox_id, config

    def container_config(self, name=None, command=("sleep", "1000"), image=BUSYBOX, **fields):
        self.n += 1
        name = name or f"c{self.n}"
        config = cri.ContainerConfig(
            metadata=cri.ContainerMetadata(name=name),
            image=cri.ImageSpec(image=image),
            command=list(command),
            log_path=name + ".log",
        )
        config.linux.SetInParent()
        config.MergeFrom(cri.ContainerConfig(**fields))
        return config

    def create(self, pod, config=None, pod_config=None):
        return self.cri.CreateContainer(
            pod_sandbox_id=pod, config=config or self.container_config(), sandbox_config=pod_config
        ).container_id

    def start(self, pod, config=None, pod_config=None):
        container = self.create(pod, config, pod_config)
        self.cri.StartContainer(container_id=container)
        return container

    def container_state(self, container):
        return self.cri.ContainerStatus(container_id=container).status

    def wait_exited(self, container, seconds=20):
        return wait_for(
            seconds,
            "the container to end",
            lambda: (s := self.container_state(container)).state == cri.CONTAINER_EXITED and s,
        )

    def exec(self, container, *command, timeout=20):
        return self.cri.ExecSync(container_id=container, cmd=list(command), timeout=timeout)

    def kill_crio(self, signal="KILL"):
        """Ends crio by a signal and waits until a new one serves."""
        old = self.run("systemctl show -p MainPID --value crio.service").strip()
        self.run("systemctl", "kill", "--kill-whom=main", f"--signal={signal}", "crio.service")
        self.wait_crio(other_than=old)

    def wait_crio(self, other_than=""):
        def serves():
            pid = self.run("systemctl show -p MainPID --value crio.service").strip()
            return pid not in ("0", other_than) and self.status("crictl", "version") == 0

        wait_for(120 if self.vm else 30, "crio to serve again", serves)
        self.reconnect()

    # Commands that print what pods and containers leave in a node, a line each.
    REMAINS = {
        "units": "systemctl list-units --all --plain --no-legend 'crio-*' 'kubepods-*' | "
        "grep -vE '^crio-(iod|streamd)[.@]|^crio[.]|^kubepods-(besteffort|burstable)[.]slice' | cut -d' ' -f1",
        "pods": "ls /run/crio/pods",
        "containers": "ls /run/crio/containers",
        "private": "ls /run/crio/private/pods",
        "netns": "ls /run/netns /var/run/netns | grep -v : | sort -u",
        "rules": "iptables -t nat -S | grep -oE 'CNI-[0-9a-f]{20,}' | sort -u",
        "links": "ip -o link | grep -oE 'veth[0-9a-f]+' | sort -u",
        "cni": "ls /var/lib/cni/results",
        "addresses": "ls /var/lib/cni/networks/*/ | grep -E '^[0-9]'",
        "mounts": "grep -oE ' /run/(netns|crio)/[^ ]*' /proc/1/mounts | grep -vE '/run/crio/private(/mnt)?$'",
        "layers": "grep -oE '\"id\": *\"[0-9a-f]+\"' /var/lib/containers/storage/overlay-containers/*containers.json "
        "/var/lib/containers/storage/overlay-layers/volatile-layers.json",
        "runtime": "ls /run/crun /run/runc | grep -v : | sort -u",
        "cgroups": "find /sys/fs/cgroup -name 'crio-*.scope' -o -name 'crio-?*.slice'",
    }

    def remains(self):
        """What pods leave in a node, as a dict of lists; all empty after everything was removed."""
        script = "".join(f"{command} 2>/dev/null | sed 's/^/{key} /'\n" for key, command in self.REMAINS.items())
        found = {key: [] for key in self.REMAINS}
        for line in self.run(script, check=False).splitlines():
            key, _, value = line.partition(" ")
            if value.strip():
                found[key].append(value.strip())
        return found

    def crashes(self):
        """What the journal says of programs of ours that broke; tests kill by other signals."""
        said = self.run("journalctl --no-pager -q -b -o cat | grep -E "
                        "'^crio(-iod|-pull-[0-9a-f]+)?[.]service: Main process exited, .*status=11/SEGV|^[^ ]*: .*Assertion .* failed|^crio.*AddressSanitizer'",
                        check=False)
        return said.splitlines()

    def check_clean(self, seconds=10):
        """Nothing of any pod or container is left."""
        def clean():
            found = {key: value for key, value in self.remains().items() if value}
            clean.found = found
            return not found

        try:
            wait_for(seconds, "everything to be gone", clean, pause=0.2)
        except Failed as e:
            raise Failed(f"{e}: {clean.found}") from None

    def remove_all(self):
        """Removes all pods by the CRI."""
        for pod in self.cri.ListPodSandbox().items:
            self.cri.StopPodSandbox(pod_sandbox_id=pod.id)
            self.cri.RemovePodSandbox(pod_sandbox_id=pod.id)


def result(name, reason=None, skip=None):
    if reason is not None:
        print(f"not ok - {name}: {reason}", flush=True)
    elif skip is not None:
        print(f"ok - {name} # skip {skip}", flush=True)
    else:
        print(f"ok - {name}", flush=True)


def run_tests(names, node, prefix):
    """Runs test_*(node) of a module; whether all passed."""
    good = True
    only = sys.argv[1:]
    for name, function in list(names.items()):
        if not name.startswith("test_") or not callable(function) or (only and name not in only):
            continue
        title = f"{prefix}{name[5:].replace('_', ' ')}"
        start = time.monotonic()
        try:
            function(node)
        except Skipped as e:
            result(title, skip=str(e))
            continue
        except Exception as e:  # whatever it is, it is the reason
            good = False
            traceback.print_exc(file=sys.stdout)
            detail = f"{e.code().name}: {e.details()}" if isinstance(e, grpc.RpcError) else f"{type(e).__name__}: {e}"
            result(title, reason=re.sub(r"\s+", " ", detail)[:600])
            continue
        print(f"{title}: {time.monotonic() - start:.1f} s")
        result(title)
    return good


def end_well():
    """A runner that has waited enough sends SIGTERM: then the nodes go down."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def main(names, *options, prepare=None):
    """prepare(node) runs before the tests."""
    prefix = f"{os.path.basename(sys.argv[0])} {SUITE}: "
    end_well()
    with contextlib.ExitStack() as stack:
        node = stack.enter_context(Node(*options))
        if prepare:
            prepare(node)
        good = run_tests(names, node, prefix)
        crashes = node.crashes()
        if crashes:
            result(prefix + "no program of ours crashes", reason="; ".join(crashes)[:600])
            good = False
        if not good:
            print(node.run("journalctl --no-pager -q SYSLOG_IDENTIFIER=crio + SYSLOG_IDENTIFIER=crio-iod + _PID=1 | tail -n 40", check=False))
    sys.exit(0 if good else 1)
