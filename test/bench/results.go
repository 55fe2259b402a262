// SPDX-License-Identifier: Apache-2.0
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
)

// results holds the samples of every system and measurement.
type results struct {
	samples map[string]map[string][]float64
}

func newResults() *results {
	return &results{samples: map[string]map[string][]float64{}}
}

func (r *results) add(system, measurement string, value float64) {
	if r.samples[system] == nil {
		r.samples[system] = map[string][]float64{}
	}
	r.samples[system][measurement] = append(r.samples[system][measurement], value)
}

func (r *results) addUsage(system, measurement string, before, after usage) {
	r.add(system, measurement+" CPU", after.cpuMilliseconds-before.cpuMilliseconds)
}

func (r *results) addMemory(system, measurement string, u usage) {
	r.add(system, measurement+": RSS", float64(u.rssKiB)/1024)
	r.add(system, measurement+": PSS", float64(u.pssKiB)/1024)
	r.add(system, measurement+": processes", float64(u.n))
}

// median of a measurement; NaN where there is none.
func (r *results) median(system, measurement string) float64 {
	v := slices.Sorted(slices.Values(r.samples[system][measurement]))
	if len(v) == 0 {
		return math.NaN()
	}
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// mean is for what has steps as coarse as itself, such as CPU time of one pod.
func (r *results) mean(system, measurement string) float64 {
	v := r.samples[system][measurement]
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

func number(v float64) string {
	switch {
	case math.IsNaN(v):
		return ""
	case math.Abs(v) < 10:
		return fmt.Sprintf("%.2f", v)
	case math.Abs(v) < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

func row(cells ...string) {
	fmt.Println("| " + strings.Join(cells, " | ") + " |")
}

func heading(title string, cells ...string) {
	fmt.Printf("\n**%s**\n\n", title)
	row(cells...)
	row(slices.Repeat([]string{"---"}, len(cells))...)
}

var lifeSystems = []string{"crio crun", "crio runc", "containerd crun", "containerd runc", "floor"}

func (r *results) printLife() {
	heading("Life of a pod with one container: medians in ms", slices.Concat([]string{"Step"}, lifeSystems)...)
	for _, network := range []string{"host", "bridge"} {
		for _, step := range []string{"up", "pod", "create", "start", "exec", "stop", "remove", "stop pod", "remove pod"} {
			cells := []string{step + ", " + network}
			for _, s := range lifeSystems {
				cells = append(cells, number(r.median(s, cells[0])))
			}
			row(cells...)
		}
		for _, what := range []string{"life, " + network + " CPU", "life, " + network + " PID 1 CPU"} {
			cells := []string{what + " (mean)"}
			for _, s := range lifeSystems {
				cells = append(cells, number(r.mean(s, what)))
			}
			row(cells...)
		}
	}
}

func (r *results) printServices() {
	heading("Daemons", "What", "crio", "containerd")
	for _, m := range [][2]string{
		{"idle: RSS", "memory idle, MiB resident (RSS of all its daemons)"},
		{"idle: PSS", "memory idle, MiB proportional (PSS)"},
		{"idle: processes", "processes idle"},
		{"many: RSS", "memory with many pods, MiB RSS"},
		{"many: PSS", "memory with many pods, MiB PSS"},
		{"many: processes per pod", "processes per pod"},
		{"restarted: PSS", "memory with many pods after restarts, MiB PSS"},
		{"many", "pod+container up, one of many, ms"},
		{"list", "ListContainers and ListPodSandbox, ms"},
		{"list CPU", "the same, CPU of its daemons, ms"},
		{"restart", "kill to first whole list, ms"},
		{"logs MB/s", "log lines of 100 bytes, MB/s"},
		{"logs CPU", "logs: CPU of its daemons, ms"},
		{"logs journald CPU", "logs: CPU of journald, ms"},
		{"pull", "pull, ms"},
		{"remove image", "remove that image, ms"},
	} {
		row(m[1], number(r.median("crio", m[0])), number(r.median("containerd", m[0])))
	}
}

// goal: a ratio (or a number, where there is no second system) and its limit.
type goal struct {
	what  string
	value float64
	limit float64
	least bool // the limit is a minimum
}

func (r *results) goals() []goal {
	ratio := func(a, am, b, bm string) float64 { return r.median(a, am) / r.median(b, bm) }
	var g []goal
	for _, network := range []string{"host", "bridge"} {
		up := "up, " + network
		g = append(g,
			goal{"pod+container up, " + network + ": crio / containerd, as they are installed (crun / runc)", ratio("crio crun", up, "containerd runc", up), 0.5, false},
			goal{"pod+container up, " + network + ": crio / containerd, both with runc", ratio("crio runc", up, "containerd runc", up), 0.5, false},
			goal{"pod+container up, " + network + ": crio / containerd, both with crun", ratio("crio crun", up, "containerd crun", up), 0.5, false},
			goal{"pod+container up, " + network + ": crio with crun / floor", ratio("crio crun", up, "floor", up), 2, false})
	}
	return append(g,
		goal{"list of all pods and containers: crio / containerd", ratio("crio", "list", "containerd", "list"), 1, false},
		goal{"restart: crio / containerd", ratio("crio", "restart", "containerd", "restart"), 0.1, false},
		goal{"memory idle: all of our daemons, MiB RSS", r.median("crio", "idle: RSS"), 10, false},
		goal{"processes of ours per pod", r.median("crio", "many: processes per pod"), 0, false},
		goal{"logs: throughput of crio / containerd", ratio("crio", "logs MB/s", "containerd", "logs MB/s"), 5, true})
}

func (r *results) printGoals() {
	heading("Goals", "What", "is", "goal", "")
	for _, g := range r.goals() {
		relation, met := "at most", g.value <= g.limit
		if g.least {
			relation, met = "at least", g.value >= g.limit
		}
		if math.IsNaN(g.value) {
			continue
		}
		verdict := "**missed**"
		if met {
			verdict = "met"
		}
		row(g.what, number(g.value), fmt.Sprintf("%s %g", relation, g.limit), verdict)
	}
}

// checkLog counts the whole lines of a CRI log. A line may be cut into records; all but the last of these are marked P.
func checkLog(path string, expected int) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	n, scanner := 0, bufio.NewScanner(bufio.NewReaderSize(f, 1<<20))
	for scanner.Scan() {
		if bytes.Contains(scanner.Bytes()[:min(len(scanner.Bytes()), prefixMax)], []byte(" stdout F ")) {
			n++
		}
	}
	if n != expected {
		return fmt.Errorf("%d lines in the log, expected %d", n, expected)
	}
	return scanner.Err()
}

// prefixMax is more than time, stream and tag of a record have together.
const prefixMax = 64
