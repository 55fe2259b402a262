# SPDX-License-Identifier: Apache-2.0
"""Lives of pods with a fault at one point after the other; shared by the cases that restart crio."""

import re
import time

import grpc
from case import Failed, check, cri, equal, wait_for
from faults import Faults

# A container that says hello, and bye when it is asked to end.
PROGRAM = "trap 'trap : TERM; echo bye; exit 7' TERM; echo hello; while :; do sleep 0.1; done"
# One that nothing may disturb; what it writes has no gap.
COUNTER = "i=0; while :; do echo $i; i=$((i + 1)); sleep 0.1; done"
CALLS = ("RunPodSandbox", "CreateContainer", "StartContainer", "StopContainer", "RemoveContainer", "StopPodSandbox", "RemovePodSandbox")
OF_CONTAINER = ("CreateContainer", "StartContainer", "StopContainer", "RemoveContainer")
# Operations of other calls and of the start.
OTHER_OPERATIONS = {"restore", "remove image", "update container"}


class Life:
    """One pod and one container of it, call by call."""

    def __init__(self, node, host=False, handler="", grace=10, pod=None, **fields):
        self.node, self.host, self.handler, self.grace = node, host, handler, grace
        make = node.host_pod_config if host else node.pod_config
        self.pod_config = make(**fields) if pod is None else pod.pod_config
        self.pod_config.linux.security_context.namespace_options.pid = cri.CONTAINER if host else cri.POD
        self.pod = pod and pod.pod
        self.config = node.container_config(command=["sh", "-c", PROGRAM])
        self.container = None

    def run(self, name):
        """One call, as a client makes it."""
        call = getattr(self.node.cri, name)
        if name == "RunPodSandbox":
            self.pod = call(config=self.pod_config, runtime_handler=self.handler).pod_sandbox_id
        elif name == "CreateContainer":
            self.container = call(pod_sandbox_id=self.pod, config=self.config, sandbox_config=self.pod_config).container_id
        elif name == "StopContainer":
            call(container_id=self.container, timeout=self.grace)
        elif name in OF_CONTAINER:
            call(container_id=self.container)
        else:
            call(pod_sandbox_id=self.pod)

    def until(self, name):
        """All calls before this one."""
        for call in CALLS[: CALLS.index(name)]:
            if call in OF_CONTAINER if self.pod and not self.container else True:
                if call == "RunPodSandbox" and self.pod:
                    continue
                self.run(call)
                if call == "StartContainer":  # and it listens to signals
                    wait_for(5, "hello in the log", lambda: "hello" in self.log(), pause=0.01)

    def find(self, name):
        """Id of what the call makes, if a client sees it."""
        if name == "RunPodSandbox":
            found = [p for p in self.node.cri.ListPodSandbox().items if p.metadata.name == self.pod_config.metadata.name]
            ready = cri.SANDBOX_READY
        else:
            found = [
                c
                for c in self.node.cri.ListContainers().containers
                if c.pod_sandbox_id == self.pod and c.metadata.name == self.config.metadata.name
            ]
            ready = cri.CONTAINER_CREATED
        check(len(found) <= 1, f"{len(found)} of the same name")
        if found:
            equal(found[0].state, ready, "state of what a lost call left")
        return found[0].id if found else None

    def again(self, name):
        """The client's retry, which first looks as a kubelet does."""
        if name in ("RunPodSandbox", "CreateContainer"):
            found = self.find(name)
            self.run(name)
            got = self.pod if name == "RunPodSandbox" else self.container
            check(found in (None, got), f"the retry made {got} beside {found}")
            return None
        if name == "StartContainer":
            state = self.node.container_state(self.container).state
            check(state in (cri.CONTAINER_CREATED, cri.CONTAINER_RUNNING), f"state {state} after a lost StartContainer")
            if state == cri.CONTAINER_RUNNING:
                return None
        return self.run(name)

    def log(self):
        return self.node.read(f"{self.pod_config.log_directory}/{self.config.log_path}")

    def check(self, name):
        """What has to be true after the call."""
        node = self.node
        if name == "RunPodSandbox":
            status = node.cri.PodSandboxStatus(pod_sandbox_id=self.pod).status
            equal(status.state, cri.SANDBOX_READY, "state of the pod")
            equal(bool(status.network.ip), not self.host, "address")
        elif name == "CreateContainer":
            equal(node.container_state(self.container).state, cri.CONTAINER_CREATED, "state")
        elif name == "StartContainer":
            equal(node.container_state(self.container).state, cri.CONTAINER_RUNNING, "state")
            wait_for(5, "hello in the log", lambda: " stdout F hello\n" in self.log(), pause=0.01)
            equal(self.log().count("hello"), 1, "how often it was started")
        elif name == "StopContainer":
            status = node.container_state(self.container)
            equal(status.state, cri.CONTAINER_EXITED, "state")
            equal(status.exit_code, 7 if self.grace else 137, "exit code")
            equal(self.log().count(" stdout F bye\n"), 1 if self.grace else 0, "last line of the log")
        elif name == "RemoveContainer":
            check(self.container not in [c.id for c in node.cri.ListContainers().containers], "it is still listed")
        elif name == "StopPodSandbox":
            equal(node.cri.PodSandboxStatus(pod_sandbox_id=self.pod).status.state, cri.SANDBOX_NOTREADY, "state of the pod")
        else:
            check(self.pod not in [p.id for p in node.cri.ListPodSandbox().items], "the pod is still listed")

    def finish(self, name):
        """Those calls after this one that make it go away."""
        if name != "RemovePodSandbox":
            if self.container and name != "RemoveContainer":
                self.node.cri.RemoveContainer(container_id=self.container)
            self.container = None

    def remove(self):
        self.run("StopPodSandbox")
        self.run("RemovePodSandbox")


def served(node, call):
    """Calls again until a crio is there that answers."""
    deadline = time.monotonic() + 20
    while True:
        try:
            return call()
        except grpc.RpcError as e:
            if e.code() != grpc.StatusCode.UNAVAILABLE or time.monotonic() > deadline:
                raise
            node.reconnect()


def lost(call):
    """A call whose answer does not matter."""
    try:
        call()
    except grpc.RpcError:
        pass


def tried(call):
    """Whether a call succeeds; its name may still be held by what is taken back."""
    try:
        call()
        return True
    except grpc.RpcError as e:
        check(e.code() == grpc.StatusCode.ALREADY_EXISTS and "is being removed" in e.details(), f"{e.code().name}: {e.details()}")
        return False


def trace_life(node, faults, **options):
    """The points that each call passes: {call: [points]}."""
    points = {}
    life = Life(node, **options)
    for call in CALLS:
        faults.trace()
        life.run(call)
        if call == "StopContainer":
            wait_for(5, "PID 1 to be told", lambda: "exit/release:after" in faults.traced())
        life.check(call)
        traced = faults.traced()
        node.operations |= {l[len("operation "):] for l in traced if l.startswith("operation ")}
        points[call] = list(dict.fromkeys(p for p in traced if ":" in p and not p.startswith(("operation ", "systemd ", "iod/", "chunk/"))))
    node.passed |= {p for all in points.values() for p in all}
    return points


class Bystander(Life):
    """A container in the same pod that goes on all the time."""

    def begin(self):
        self.config.command[:] = ["sh", "-c", COUNTER]
        self.run("CreateContainer")
        self.run("StartContainer")
        self.pid = self.inside()
        return self

    def inside(self):
        return self.node.exec(self.container, "sh", "-c", "cut -d' ' -f22 /proc/1/stat; hostname").stdout

    def end(self):
        equal(self.node.container_state(self.container).state, cri.CONTAINER_RUNNING, "state of the bystander")
        equal(self.inside(), self.pid, "process of the bystander")
        self.grace = 0
        self.run("StopContainer")
        got = [int(n) for n in re.findall(r" stdout F (\d+)\n", self.log())]
        check(len(got) > 10, "the bystander wrote nothing")
        equal(got, list(range(len(got))), "log of the bystander")


def one_point(node, faults, life, call, point, action):
    """The call with a fault at one point, and what has to be true afterwards."""
    life.until(call)
    faults.arm(f"{action} {point}")
    if action == "kill":
        lost(lambda: life.run(call))
        faults.wait_struck()
        served(node, lambda: life.again(call))
    else:
        try:
            life.run(call)
        except grpc.RpcError as e:
            check("a test failed" in (e.details() or ""), f"the reason is not said: {e.details()}")
            if call == "StartContainer":  # it is over then
                equal(life.node.wait_exited(life.container).exit_code, 128, "exit code of what was not started")
                faults.wait_struck()
                return
            wait_for(5, "the retry to succeed", lambda: tried(lambda: life.again(call)), pause=0.02)
        faults.wait_struck()
    life.check(call)


class Trials:
    """Many faults, each with a life of its own; containers share a pod, in which a bystander runs all the time."""

    def __init__(self, node, **options):
        self.node, self.options = node, options
        self.faults = Faults(node)
        self.failures, self.n = [], 0

    def __enter__(self):
        self.faults.disarm()
        self.shared = Life(self.node, **self.options)
        self.shared.run("RunPodSandbox")
        self.bystander = Bystander(self.node, pod=self.shared, **self.options).begin()
        return self

    def life(self, call):
        return Life(self.node, pod=self.shared if call in OF_CONTAINER else None, **self.options)

    def attempt(self, call, what, trial):
        """trial(life), and the life is over."""
        node, life = self.node, self.life(call)
        self.n += 1
        try:
            trial(life)
        except (Failed, grpc.RpcError) as e:
            text = f"{e.code().name}: {e.details()}" if isinstance(e, grpc.RpcError) else str(e)
            self.failures.append(f"{call} at {what}: {text} ({life.pod_config.metadata.name}, {(life.container or '')[:12]})")
            print(self.failures[-1], flush=True)
            self.faults.disarm()
        served(node, lambda: life.finish(call))
        if call not in OF_CONTAINER and call != "RemovePodSandbox" and life.pod:
            served(node, life.remove)

    def __exit__(self, *error):
        if error[0]:
            return
        self.bystander.end()
        self.shared.remove()
        print(f"{self.n} trials")
        try:
            self.node.check_clean()
        except Failed as e:
            self.failures.append(str(e))
            self.node.remove_all()
        check(not self.failures, f"{len(self.failures)} failed; {'; '.join(self.failures)[:500]}")


def every_point(node, action, calls=CALLS, **options):
    """Dies or fails at each point of each of the calls."""
    trials = Trials(node, **options)
    points = trace_life(node, trials.faults, **options)
    with trials:
        for call in calls:
            check(points[call], f"{call} passes no point")
            for point in points[call]:
                trials.attempt(call, point, lambda life: one_point(node, trials.faults, life, call, point, action))


def twice(node, first, call, trials):
    """Dies at each point that is passed because of a first fault: while what is half done is taken back or found again."""
    faults = trials.faults
    points = []

    def look(life):
        life.until(call)
        faults.trace()
        faults.arm(first)
        lost(lambda: life.run(call))
        faults.wait_struck()
        if first.startswith("kill"):
            served(node, lambda: node.cri.Version())
        traced = faults.traced()
        retry(node, life, call)
        at = traced.index(first.split(" ", 1)[1])
        new = [p for p in dict.fromkeys(traced[at + 1 :]) if p not in traced[: at + 1]]
        points.extend(p for p in new if not p.startswith(("operation ", "systemd ", "iod/", "chunk/")))

    def die(life, point):
        life.until(call)
        faults.arm(first, f"kill {point}")
        lost(lambda: life.run(call))
        faults.wait_struck()
        retry(node, life, call)

    trials.attempt(call, first, look)
    print(f"{first}: {len(points)} points", flush=True)
    for point in points:
        trials.attempt(call, f"{first}, {point}", lambda life: die(life, point))


def retry(node, life, call):
    served(node, lambda: wait_for(5, "the retry to succeed", lambda: tried(lambda: life.again(call)), pause=0.02))
    life.check(call)


def prepare(node):
    node.pull()
    node.operations, node.passed = set(), set()
