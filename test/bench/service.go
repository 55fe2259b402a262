// SPDX-License-Identifier: Apache-2.0
package main

// What a service costs: its processes, their memory and CPU time, and how to kill and start it.

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// service is a CRI implementation on this node.
type service struct {
	name      string
	socket    string
	unit      string
	units     []string // all units of its daemons
	processes []string // names of its processes, whatever unit they are in
}

var crio = &service{
	name:      "crio",
	socket:    "/run/crio/crio.sock",
	unit:      "crio.service",
	units:     []string{"crio.service", "crio-iod.service"},
	processes: []string{"crio", "crio-iod", "crio-streamd", "crio-pull", "crio-launch", "crio-pin", "crio-pause"},
}

var containerd = &service{
	name:      "containerd",
	socket:    "/run/containerd/containerd.sock",
	unit:      "containerd.service",
	units:     []string{"containerd.service"},
	processes: []string{"containerd", "containerd-shim", "pause"},
}

var journald = &service{name: "journald", processes: []string{"systemd-journal"}}
var pid1 = &service{name: "systemd", processes: []string{"systemd"}}

// usage is what a set of processes has in use.
type usage struct {
	n               int
	rssKiB, pssKiB  int
	cpuMilliseconds float64
}

const ticksPerSecond = 100 // USER_HZ

func (s *service) owns(comm string) bool {
	for _, p := range s.processes {
		// The kernel keeps 15 bytes of a name.
		if comm == p || len(p) > 15 && comm == p[:15] {
			return true
		}
	}
	return false
}

func (s *service) usage(memory bool) usage {
	var u usage
	directories, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range directories {
		comm, err := os.ReadFile(d + "/comm")
		if err != nil || !s.owns(strings.TrimSpace(string(comm))) {
			continue
		}
		u.n++
		if stat, err := os.ReadFile(d + "/stat"); err == nil {
			fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+2:]))
			user, _ := strconv.Atoi(fields[11])
			system, _ := strconv.Atoi(fields[12])
			u.cpuMilliseconds += float64(user+system) * 1000 / ticksPerSecond
		}
		if memory {
			u.addMemory(d)
		}
	}
	return u
}

func (u *usage) addMemory(directory string) {
	rollup, err := os.ReadFile(directory + "/smaps_rollup")
	if err != nil {
		return
	}
	for _, line := range strings.Split(string(rollup), "\n") {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		n, _ := strconv.Atoi(fields[1])
		switch fields[0] {
		case "Rss:":
			u.rssKiB += n
		case "Pss:":
			u.pssKiB += n
		}
	}
}

func run(argv ...string) error {
	output, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, bytes.TrimSpace(output))
	}
	return nil
}

// restart begins the daemons anew, for numbers that do not depend on what was done before.
func (s *service) restart() error {
	if err := run(append([]string{"systemctl", "restart"}, s.units...)...); err != nil {
		return err
	}
	return s.waitServes(30 * time.Second)
}

func (s *service) waitServes(limit time.Duration) error {
	c, err := newClient(s, "")
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
		_, err := c.list()
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

func (s *service) mainPID() (int, error) {
	output, err := exec.Command("systemctl", "show", "-p", "MainPID", "--value", s.unit).Output()
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(output)))
}
