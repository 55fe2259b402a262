// SPDX-License-Identifier: Apache-2.0
package main

// The phases of the comparison. Each does the same with all systems, by turns.

import (
	"context"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
	"syscall"
)

const (
	registry   = "127.0.0.1:5000"
	imageSmall = registry + "/busybox"
	logRoot    = "/var/log/bench"

	lineBytes  = 100
	linesFile  = "/var/lib/containers/bench-lines"
	chunkLines = 100_000
)

var sleepCommand = []string{"sleep", "100000"}

func milliseconds(d time.Duration) float64 {
	return float64(d.Microseconds()) / 1000
}

// timed runs steps one after the other and notes how long each took, under the name that it has.
type timed struct {
	results *results
	system  string
	err     error
}

func (t *timed) step(name string, f func() error) time.Duration {
	if t.err != nil {
		return 0
	}
	start := time.Now()
	t.err = f()
	d := time.Since(start)
	if t.err == nil {
		t.results.add(t.system, name, milliseconds(d))
	}
	return d
}

func life(r *results, c *client, network string) error {
	t := timed{results: r, system: c.name}
	var p *pod
	up := t.step("pod, "+network, func() (err error) { p, err = c.run(podConfig(network)); return })
	up += t.step("create, "+network, func() error { return p.create(containerConfig(sleepCommand)) })
	up += t.step("start, "+network, func() error { return p.start() })
	if t.err == nil {
		r.add(c.name, "up, "+network, milliseconds(up))
	}
	t.step("exec, "+network, func() error { return p.exec() })
	t.step("stop, "+network, func() error { return p.stop() })
	t.step("remove, "+network, func() error { return p.removeContainer() })
	t.step("stop pod, "+network, func() error { return p.stopPod() })
	t.step("remove pod, "+network, func() error { return p.removePod() })
	return t.err
}

func lifeFloor(r *results, network string) error {
	t := timed{results: r, system: "floor"}
	var p *floorPod
	up := t.step("pod, "+network, func() (err error) { p, err = floorRun(network); return })
	up += t.step("create, "+network, func() error { return p.create(sleepCommand) })
	up += t.step("start, "+network, func() error { return p.start() })
	if t.err == nil {
		r.add("floor", "up, "+network, milliseconds(up))
	}
	t.step("exec, "+network, func() error { return p.exec() })
	t.step("stop, "+network, func() error { return p.stop() })
	t.step("remove, "+network, func() error { return p.removeContainer() })
	t.step("remove pod, "+network, func() error { return p.removePod() })
	return t.err
}

// phaseLife goes through the life of a pod with one container. The first round of each warms up and does not count.
func phaseLife(r *results, clients []*client, rounds int) error {
	for i := range rounds + 1 {
		into := r
		if i == 0 {
			into = newResults()
		}
		for _, network := range []string{"host", "bridge"} {
			for _, c := range clients {
				before, beforePID1 := c.service.usage(false), pid1.usage(false)
				if err := life(into, c, network); err != nil {
					return err
				}
				into.addUsage(c.name, "life, "+network, before, c.service.usage(false))
				into.add(c.name, "life, "+network+" PID 1 CPU", pid1.usage(false).cpuMilliseconds-beforePID1.cpuMilliseconds)
			}
			if err := lifeFloor(into, network); err != nil {
				return err
			}
		}
	}
	return nil
}

// phaseIdle measures the memory of daemons that were just started and have answered once.
func phaseIdle(r *results, services []*service) error {
	for _, s := range services {
		if err := s.restart(); err != nil {
			return err
		}
	}
	for _, s := range services {
		r.addMemory(s.name, "idle", s.usage(true))
	}
	return nil
}

const listRounds = 100

func measureList(r *results, c *client, n int) error {
	if got, err := c.count(); err != nil || got != n {
		return fmt.Errorf("%s: %d containers in the list, expected %d: %w", c.name, got, n, err)
	}
	before := c.service.usage(false)
	defer func() {
		after := c.service.usage(false)
		r.add(c.service.name, "list CPU", (after.cpuMilliseconds-before.cpuMilliseconds)/listRounds)
	}()
	for range listRounds {
		start := time.Now()
		_, err := c.list()
		if err != nil {
			return err
		}
		r.add(c.service.name, "list", milliseconds(time.Since(start)))
	}
	return nil
}

// answers is true when a fresh connection gets a whole list within a short time.
func answers(s *service, n int) bool {
	connection, err := dial(s)
	if err != nil {
		return false
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	reply, err := cri.NewRuntimeServiceClient(connection).ListContainers(ctx, &cri.ListContainersRequest{}, grpc.WaitForReady(false))
	return err == nil && len(reply.Containers) == n
}

// measureRestart kills the daemon and waits for the first whole list. Connections that are refused are tried again at once.
func measureRestart(r *results, s *service, n int) error {
	pid, err := s.mainPID()
	if err != nil {
		return err
	}
	start := time.Now()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return err
	}
	for !answers(s, n) {
		if time.Since(start) > time.Minute {
			return fmt.Errorf("%s does not serve a minute after it was killed", s.name)
		}
		time.Sleep(time.Millisecond)
	}
	r.add(s.name, "restart", milliseconds(time.Since(start)))
	return nil
}

// phaseMany runs n pods with one container each, one service after the other, and looks at the whole.
func phaseMany(r *results, clients []*client, n, restarts int) error {
	for _, c := range clients {
		s := c.service
		if err := s.restart(); err != nil {
			return err
		}
		before := s.usage(false)
		var pods []*pod
		start := time.Now()
		for range n {
			p, err := c.run(podConfig("host"))
			if err == nil {
				err = p.create(containerConfig(sleepCommand))
			}
			if err == nil {
				err = p.start()
			}
			if err != nil {
				return err
			}
			pods = append(pods, p)
		}
		r.add(s.name, "many", milliseconds(time.Since(start))/float64(n))
		after := s.usage(true)
		r.addMemory(s.name, "many", after)
		r.add(s.name, "many: processes per pod", float64(after.n-before.n)/float64(n))
		if err := measureList(r, c, n); err != nil {
			return err
		}
		for range restarts {
			if err := measureRestart(r, s, n); err != nil {
				return err
			}
		}
		r.addMemory(s.name, "restarted", s.usage(true))
		for _, p := range pods {
			if err := p.remove(); err != nil {
				return err
			}
		}
	}
	return nil
}

// phaseList lists what there is, for a profiler to look at.
func phaseList(clients []*client) error {
	for _, c := range clients {
		start := time.Now()
		for range 3000 {
			if _, err := c.list(); err != nil {
				return err
			}
		}
		fmt.Fprintf(os.Stderr, "%s: %.3f ms a list\n", c.name, milliseconds(time.Since(start))/3000)
	}
	return nil
}

// writeLines makes the file that containers write to their stdout again and again.
func writeLines() error {
	line := make([]byte, lineBytes)
	for i := range line {
		line[i] = 'a' + byte(i%26)
	}
	line[lineBytes-1] = '\n'
	f, err := os.Create(linesFile)
	if err != nil {
		return err
	}
	defer f.Close()
	for range chunkLines {
		if _, err := f.Write(line); err != nil {
			return err
		}
	}
	return nil
}

// quiet waits until journald has nothing left to do: it would compete with whatever comes next.
func quiet() {
	for range 50 {
		before := journald.usage(false)
		time.Sleep(300 * time.Millisecond)
		if journald.usage(false).cpuMilliseconds-before.cpuMilliseconds <= 10 {
			return
		}
	}
}

func logsOnce(r *results, c *client, repeat int) error {
	quiet()
	config := podConfig("host")
	p, err := c.run(config)
	if err != nil {
		return err
	}
	command := []string{"sh", "-c", fmt.Sprintf("for i in $(seq %d); do cat /lines; done", repeat)}
	if err := p.create(containerConfig(command, &cri.Mount{ContainerPath: "/lines", HostPath: linesFile, Readonly: true})); err != nil {
		return err
	}
	before, beforeJournal := c.service.usage(false), journald.usage(false)
	start := time.Now()
	if err := p.start(); err != nil {
		return err
	}
	for exited := false; !exited; time.Sleep(2 * time.Millisecond) {
		if exited, err = p.exited(); err != nil {
			return err
		}
	}
	// The log may still grow: what counts is when the last byte came.
	end, err := settled(p.logPath())
	if err != nil {
		return err
	}
	after := c.service.usage(false)
	quiet()
	afterJournal := journald.usage(false)
	bytes := float64(repeat * chunkLines * lineBytes)
	if err := checkLog(p.logPath(), repeat*chunkLines); err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	name := c.service.name
	r.add(name, "logs MB/s", bytes/1e6/end.Sub(start).Seconds())
	r.add(name, "logs CPU", after.cpuMilliseconds-before.cpuMilliseconds)
	r.add(name, "logs journald CPU", afterJournal.cpuMilliseconds-beforeJournal.cpuMilliseconds)
	if err := p.remove(); err != nil {
		return err
	}
	return os.RemoveAll(config.LogDirectory)
}

// settled waits until a file has stopped to grow and returns when that was.
func settled(path string) (time.Time, error) {
	for last := int64(-1); ; time.Sleep(200 * time.Millisecond) {
		info, err := os.Stat(path)
		if err != nil {
			return time.Time{}, err
		}
		if info.Size() == last {
			return info.ModTime(), nil
		}
		last = info.Size()
	}
}

func phaseLogs(r *results, clients []*client, megabytes, rounds int) error {
	if err := writeLines(); err != nil {
		return err
	}
	defer os.Remove(linesFile)
	for range rounds {
		for _, c := range clients {
			if err := logsOnce(r, c, megabytes*1_000_000/(chunkLines*lineBytes)); err != nil {
				return err
			}
		}
	}
	return nil
}

func phasePull(r *results, clients []*client, image string, rounds int) error {
	for range rounds {
		for _, c := range clients {
			t := timed{results: r, system: c.service.name}
			t.step("pull", func() error { return c.pull(image) })
			t.step("remove image", func() error { return c.removeImage(image) })
			if t.err != nil {
				return t.err
			}
		}
	}
	return nil
}
