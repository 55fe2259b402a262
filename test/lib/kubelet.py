# SPDX-License-Identifier: Apache-2.0
"""A real kubelet, standalone, on the node's crio: what the cases of both kinds of node have in common.

The static pod has a container that prints, one that fails in its first run, and one whose probe by exec can be made to fail.
"""

import json
import os
import subprocess

from case import REGISTRY, TOP, check, cri, equal, wait_for

MANIFEST = "/etc/kubernetes/manifests/web.json"
POD = "web-node"
MIB = 1024 * 1024
# All of it with image pulls, on a host that emulates the machine and does other things as well.
PATIENCE = 300


def binary():
    """Path of the kubelet on this machine; built when it is not in the cache."""
    return subprocess.run([f"{TOP}/test/lib/kubernetes", "kubelet"], check=True, capture_output=True, text=True).stdout.strip()


def bind():
    return ["--bind", f"{binary()}:/usr/local/bin/kubelet"]


def start(node, **settings):
    """Begins to run it, with these settings beside the common ones."""
    config = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": "unix:///run/crio/crio.sock",
        "cgroupDriver": "systemd",
        "staticPodPath": os.path.dirname(MANIFEST),
        "address": "127.0.0.1",
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        "failSwapOn": False,
        "fileCheckFrequency": "1s",
        "syncFrequency": "5s",
        # The disk of a test node says nothing about the node.
        "evictionHard": {"memory.available": "1Mi"},
        "imageGCHighThresholdPercent": 100,
        **settings,
    }
    # It wants to read the kernel's messages, which a node in a container does not have.
    node.run("test -e /dev/kmsg || : >/dev/kmsg")
    node.run("mkdir", "-p", os.path.dirname(MANIFEST), "/var/log/pods")
    node.write("/etc/kubernetes/kubelet.json", json.dumps(config))
    # It ends when the runtime takes five seconds for its first answer, and relies on its service to try again.
    node.run("systemd-run --quiet --unit=test-kubelet --property=Delegate=yes --property=Restart=always --property=RestartSec=1 /usr/local/bin/kubelet "
             "--config=/etc/kubernetes/kubelet.json --hostname-override=node --v=2", timeout=PATIENCE)


def container(name, script, memory, cpu, **fields):
    limits = {"memory": f"{memory}Mi", "cpu": f"{cpu}m"}
    return {
        "name": name,
        "image": f"{REGISTRY}/busybox",
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", script],
        "resources": {"limits": limits, "requests": {"memory": "8Mi", "cpu": "10m"}},
        **fields,
    }


def probe(*command, **fields):
    return {"exec": {"command": list(command)}, "periodSeconds": 1, "timeoutSeconds": 30, "failureThreshold": 1, **fields}


def manifest():
    data = [{"name": "data", "mountPath": "/data"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "volumes": [{"name": "data", "emptyDir": {}}],
            "containers": [
                container("main", "i=0; while :; do echo line $i; i=$((i + 1)); sleep 1; done", 64, 500,
                          readinessProbe=probe("true")),
                container("crash", "echo run >>/data/runs; [ $(wc -l </data/runs) -gt 1 ] || exit 3; sleep 100000", 32, 100,
                          volumeMounts=data),
                container("probed", "touch /tmp/good; sleep 100000", 32, 100,
                          livenessProbe=probe("test", "-e", "/tmp/good", initialDelaySeconds=2)),
            ],
        },
    }


def get(node, path):
    """A page of the kubelet's HTTP API, or nothing."""
    return node.run("busybox", "wget", "-q", "-O", "-", "--no-check-certificate", f"https://127.0.0.1:10250{path}",
                    check=False, timeout=PATIENCE)


def statuses(node):
    """Status of each container of the pod, as the kubelet tells it, by name."""
    try:
        pods = json.loads(get(node, "/pods"))["items"]
    except (ValueError, KeyError, TypeError):
        return {}
    return {c["name"]: c for p in pods or [] for c in p.get("status", {}).get("containerStatuses", [])}


def running(node, name, restarts):
    s = statuses(node).get(name, {})
    return s if s.get("restartCount", -1) >= restarts and "running" in s.get("state", {}) else None


def containers(node, name):
    """Ids of the pod's containers of that name that run."""
    request = cri.ContainerFilter(state=cri.ContainerStateValue(state=cri.CONTAINER_RUNNING),
                                  label_selector={"io.kubernetes.container.name": name})
    return [c.id for c in node.cri.ListContainers(filter=request, deadline=PATIENCE).containers]


def the(node, name):
    """Id of the one container of that name that runs."""
    return wait_for(PATIENCE, f"container {name} to run", lambda: containers(node, name), 0.5)[0]


# The story, in its order. The cases give these functions names of their own.


def runs_a_static_pod(node):
    node.write(MANIFEST, json.dumps(manifest()))
    for name in ("main", "crash", "probed"):
        wait_for(PATIENCE, f"the kubelet to say that {name} runs", lambda: running(node, name, 0), 1)
    wait_for(PATIENCE, "main to be ready by its probe", lambda: statuses(node)["main"]["ready"], 1)


def restarts_what_fails(node):
    s = wait_for(PATIENCE, "the second run of crash", lambda: running(node, "crash", 1), 1)
    last = s["lastState"]["terminated"]
    equal((last["exitCode"], last["reason"]), (3, "Error"), "how the first run ended")


def probes_by_exec(node):
    equal(statuses(node)["probed"]["restartCount"], 0, "restarts while the probe is good")
    equal(node.exec(the(node, "probed"), "rm", "/tmp/good", timeout=PATIENCE).exit_code, 0, "rm")
    wait_for(PATIENCE, "a restart after the probe failed", lambda: running(node, "probed", 1), 1)


def reads_logs(node):
    log = wait_for(PATIENCE, "three lines of the log", lambda: (t := get(node, f"/containerLogs/default/{POD}/main")).count("\n") > 2 and t, 1)
    equal(log.splitlines()[:3], ["line 0", "line 1", "line 2"], "log")
    equal(get(node, f"/containerLogs/default/{POD}/main?tailLines=1&timestamps=true").count("Z line "), 1, "last line, with its time")


def counts(node):
    """By way of cadvisor, which finds the control groups itself and asks us over HTTP what they are. What main uses; the
    kubelet leaves containers out that use no CPU time at the moment."""
    def stats():
        pods = json.loads(get(node, "/stats/summary") or "{}").get("pods") or []
        return [c for p in pods for c in p.get("containers") or [] if c["name"] == "main"]

    main = wait_for(PATIENCE, "numbers of main", stats, 1)[0]
    check(main["cpu"]["usageCoreNanoSeconds"] > 10**6, f"CPU time of main: {main['cpu']}")
    return main


def forgets_the_pod(node):
    node.run("rm", MANIFEST)
    wait_for(PATIENCE, "no pod to be left", lambda: not node.cri.ListPodSandbox(deadline=PATIENCE).items, 1)
    check(not node.cri.ListContainers(deadline=PATIENCE).containers, "containers are left")
    equal(node.run("ls /var/log/pods").split(), [], "log directories")
    node.check_clean(PATIENCE)
