# SPDX-License-Identifier: Apache-2.0
"""Faults in a node: programs of ours that die, fail or stand still where a test says (src/basic/fault.h).

    from faults import Faults

    faults = Faults(node)                       # once a node; restarts crio
    faults.arm("kill make pod/network:waiting")
    … a call …
    faults.struck()                             # whether it happened

Points: "OPERATION/STEP:MOMENT", MOMENT is before, waiting, after or undo; actions: kill, fail, hold.
"""

from case import wait_for

DIRECTORY = "/run/crio-faults"
# crio itself has to stay in the mount namespace of the host.
PROGRAMS = {"crio": "RestartSec=0", "crio-iod": f"ReadWritePaths={DIRECTORY}"}


class Faults:
    def __init__(self, node):
        self.node = node
        for program, more in PROGRAMS.items():
            directory = f"/run/systemd/system/{program}.service.d"
            node.run("mkdir", "-p", DIRECTORY, directory)
            node.write(f"{directory}/faults.conf", f"[Service]\nEnvironment=CRIO_FAULTS={DIRECTORY}\n{more}\n")
        node.run("systemctl daemon-reload && systemctl restart crio-iod.service crio.service")
        node.wait_crio()
        self.directory = node.path(DIRECTORY)
        self.disarm()

    def arm(self, *faults):
        """All of them, and no others."""
        with open(f"{self.directory}/armed", "w") as f:
            f.write("".join(fault + "\n" for fault in faults))

    def disarm(self):
        self.arm()

    def armed(self):
        """Those that did not strike yet."""
        try:
            with open(f"{self.directory}/armed") as f:
                return f.read().splitlines()
        except FileNotFoundError:
            return []

    def struck(self):
        return not self.armed()

    def wait_struck(self, seconds=20):
        wait_for(seconds, f"the fault {self.armed()} to strike", self.struck, pause=0.005)

    def trace(self):
        """Begins to write down which points are passed."""
        open(f"{self.directory}/trace", "w").close()

    def traced(self):
        """What was passed since trace(): points, lines "operation NAME: STEPS" and "systemd METHOD UNIT" (calls of PID 1)."""
        with open(f"{self.directory}/trace") as f:
            return f.read().splitlines()

    def wait_held(self, point, seconds=20):
        """An operation stands still at a point; trace() has to run."""
        wait_for(seconds, f"{point} to be reached", lambda: point in self.traced(), pause=0.005)
