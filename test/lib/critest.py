# SPDX-License-Identifier: Apache-2.0
"""critest of cri-tools in a node: its images under their real names, its specs as result lines.

What does not pass stands in test/README.md, section "critest: specs that do not pass", one row a spec: its text, where
that holds (a key of CONDITIONS) and why. A row that is not true, and a spec that fails without a row, are failures.
"""

import contextlib
import io
import json
import os
import re
import subprocess

from case import SUITE, TOP, Failed, check, equal, result

SECTION = "## critest: specs that do not pass"
CRITEST_SECONDS = 500
# Specs at a time. They are made for that, and it finds what only goes wrong side by side.
PARALLEL = 4
PREFIX = "[k8s.io] "
REPORT = "/root/critest.json"
SOCKET = "unix:///run/crio/crio.sock"

# Where a row of the list holds: a command that succeeds in such a node.
CONDITIONS = {
    "everywhere": "true",
    "no memory controller": "! grep -qw memory /sys/fs/cgroup/cgroup.controllers",
    "PID 1 is filtered": "! grep -q '^Seccomp:.*0$' /proc/1/status",
}
# These rows wait a minute for what can not come.
SLOW = "no memory controller"

# Registries under the names that critest uses: on 443 of the loopback, by a CA that the node trusts.
REGISTRIES = """set -e
mkdir -p /etc/critest
cd /etc/critest
new="openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
$new -x509 -days 2 -subj "/CN=throwaway CA of a test node" -keyout ca.key -out ca.crt
$new -subj "/CN=registry of a test node" -keyout tls.key -out tls.csr
echo "subjectAltName=DNS:registry.k8s.io,DNS:gcr.io,DNS:k8s.gcr.io" >names
openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names -out tls.crt
cat ca.crt >>/etc/ssl/certs/ca-certificates.crt
echo "127.0.0.1 registry.k8s.io gcr.io k8s.gcr.io" >>/etc/hosts
tls='tls: { certificate: /etc/critest/tls.crt, key: /etc/critest/tls.key }'
sed "s|^http:.*|http: { addr: 127.0.0.1:443, $tls }|" /etc/docker/registry/config.yml >registry.yml
systemd-run --unit=critest-registry docker-registry serve /etc/critest/registry.yml
for i in $(seq 200); do
        (exec 3<>/dev/tcp/127.0.0.1/443) 2>/dev/null && exit 0
        sleep 0.05
done
exit 1
"""


def put(node, source, path):
    """Copies a program of this machine into the node."""
    command = ["sh", "-c", 'cat >"$0" && chmod 0755 "$0"', path]
    with open(source, "rb") as f:
        subprocess.run([f"{TOP}/test/node", "exec", node.name, *command], stdin=f, check=True, timeout=120)


def prepare(node):
    """critest, its images and their registries in the node."""
    libraries = "; ".join(f". {TOP}/test/lib/{name}" for name in ("common", "deps", "build"))
    subprocess.run(["bash", "-c", f"{libraries}; with_lock tools build_critest"], check=True, timeout=1800)
    cache = os.environ.get("CRIO_TEST_CACHE", "/var/cache/crio-test")
    for program in ("critest", "ginkgo"):
        put(node, f"{cache}/{program}", f"/usr/local/bin/{program}")
    node.run("bash", "-c", REGISTRIES, timeout=120)


def listed():
    """The rows of test/README.md: spec to (where, reason)."""
    with open(f"{TOP}/test/README.md") as f:
        text = f.read()
    check(SECTION in text, f"test/README.md has no section {SECTION!r}")
    rows = {}
    for line in text.split(SECTION)[1].split("\n## ")[0].splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|") or cells[0] in ("Spec", "---"):
            continue
        equal(len(cells), 3, f"cells of the row {line!r}")
        check(cells[1] in CONDITIONS, f"unknown condition {cells[1]!r}; known are {', '.join(CONDITIONS)}")
        check(cells[0] not in rows, f"{cells[0]!r} is listed twice")
        rows[cells[0]] = (cells[1], cells[2])
    return rows


def true_here(node):
    return {where for where, command in CONDITIONS.items() if node.status(command) == 0}


def run(node, *arguments, skip=()):
    """Runs critest; returns its specs as a dict of text to the spec's report."""
    options = ["-parallel", str(PARALLEL), "-ginkgo.no-color", "-ginkgo.json-report", REPORT, "-runtime-endpoint", SOCKET]
    options += [f"-ginkgo.skip={re.escape(spec)}$" for spec in skip]
    node.run("rm", "-f", REPORT)
    output = node.run("critest", *options, *arguments, timeout=CRITEST_SECONDS, check=False)
    try:
        report = json.loads(node.run("cat", REPORT))[0]
    except Failed:
        raise Failed(f"critest made no report: {output[-2000:]}") from None
    for reason in report["SpecialSuiteFailureReasons"] or []:
        print(f"critest says: {reason}")
    specs = {}
    for spec in report["SpecReports"]:
        text = " ".join([*(spec["ContainerHierarchyTexts"] or []), spec["LeafNodeText"]])
        if spec["LeafNodeType"] != "It" or "benchmark" in text:
            check(spec["State"] in ("passed", "skipped"), f"{spec['LeafNodeType']}: {failure(spec)}")
            continue
        specs[text.removeprefix(PREFIX)] = spec
    check(specs, f"critest has run no spec: {output[-2000:]}")
    return specs


def failure(spec):
    text = (spec.get("Failure") or {}).get("Message", "")
    # What a status error prints of its insides says nothing.
    text = re.sub(r"\s+", " ", re.sub(r"<\*status\.Error.*?>: ", "", text)).split(" { s: {")[0]
    return f"{spec['State']} {text}"[:600]


def judge(title, specs, rows, conditions):
    """A result line for each spec, and one for each row without a spec; whether all is as the list says."""
    good = True
    for text, spec in sorted(specs.items()):
        where, reason = rows.get(text, ("", ""))
        expected, passed = where in conditions, spec["State"] == "passed"
        name = f"{title}: {text}"
        if expected and passed:
            result(name, reason="passes, but stands in the list of test/README.md")
        elif expected:
            result(name, skip=reason)
        elif passed:
            result(name)
        else:
            print(f"--- {name}\n{spec.get('CapturedGinkgoWriterOutput', '')}")
            result(name, reason=failure(spec))
        good = good and expected != passed
    for text in sorted(set(rows) - set(specs)):
        result(f"{title}: {text}", reason="stands in the list of test/README.md, but critest has no such spec")
        good = False
    return good


def try_judge():
    """The judgement of each kind of truth and untruth; a list that is never found to be wrong is worth nothing."""
    specs = {name: {"State": state} for name, state in (("a", "passed"), ("b", "failed"), ("c", "skipped"))}
    here, elsewhere = ("everywhere", "why"), ("no memory controller", "why")
    for rows, bad in (
        ({"b": here, "c": here}, []),
        ({"b": here}, ["c"]),
        ({"c": here}, ["b"]),
        ({"a": here, "b": here, "c": here}, ["a"]),
        ({"b": here, "c": here, "d": here}, ["d"]),
        ({"b": elsewhere, "c": here}, ["b"]),
        ({"a": elsewhere, "b": here, "c": here}, []),
    ):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            good = judge("t", specs, rows, {"everywhere"})
        found = re.findall(r"^not ok - t: (\w+):", out.getvalue(), re.M)
        equal((good, found), (not bad, bad), f"judgement of the list {rows}")


def title(runtime):
    return f"critest {SUITE} {runtime}"
