// SPDX-License-Identifier: Apache-2.0

// crio-bench compares crio, containerd and bare crun on the node that it runs on. README.md beside it says what and how.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
)

func main() {
	phases := flag.String("phases", "life,idle,many,logs,pull", "what to measure; list is for profiles")
	rounds := flag.Int("rounds", 15, "rounds of life")
	pods := flag.Int("pods", 100, "pods of many")
	restarts := flag.Int("restarts", 3, "restarts with many pods")
	megabytes := flag.Int("megabytes", 500, "size of logs")
	repeat := flag.Int("repeat", 3, "rounds of logs and pull")
	image := flag.String("image", registry+"/big", "image of pull")
	only := flag.String("only", "", "systems of life whose name begins so; all without")
	flag.Parse()
	if err := measure(*phases, *only, *image, *rounds, *pods, *restarts, *megabytes, *repeat); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func connect(only string) (clients, services []*client, err error) {
	for _, s := range []*service{crio, containerd} {
		for _, handler := range []string{"runc", "crun"} {
			c, err := newClient(s, handler)
			if err != nil {
				return nil, nil, err
			}
			if !strings.HasPrefix(c.name, only) {
				continue
			}
			if err := c.pull(imageSmall); err != nil {
				return nil, nil, err
			}
			clients = append(clients, c)
			if len(services) == 0 || services[len(services)-1].service != s {
				services = append(services, c) // the phases about daemons use one handler
			}
		}
	}
	return clients, services, nil
}

func measure(phases, only, image string, rounds, pods, restarts, megabytes, repeat int) error {
	if err := run("systemctl", "start", podSlice); err != nil {
		return err
	}
	if err := floorImage(); err != nil {
		return err
	}
	clients, services, err := connect(only)
	if err != nil {
		return err
	}
	r := newResults()
	for _, phase := range strings.Split(phases, ",") {
		switch phase {
		case "life":
			err = phaseLife(r, clients, rounds)
		case "idle":
			var all []*service
			for _, c := range services {
				all = append(all, c.service)
			}
			err = phaseIdle(r, all)
		case "many":
			err = phaseMany(r, services, pods, restarts)
		case "list":
			err = phaseList(services)
		case "logs":
			err = phaseLogs(r, services, megabytes, repeat)
		case "pull":
			err = phasePull(r, services, image, repeat)
		default:
			err = fmt.Errorf("unknown phase %s", phase)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", phase, err)
		}
		fmt.Fprintln(os.Stderr, "done:", phase)
	}
	r.printGoals()
	r.printLife()
	r.printServices()
	return nil
}
