// SPDX-License-Identifier: Apache-2.0
package main

// The floor: what a pod with one container costs without any CRI implementation. The CNI plugins, an overlay, and crun
// with its systemd driver, called one after the other.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const floorRoot = "/run/bench-floor"

type floorPod struct {
	id, network, directory string
	pid                    int
}

// floorImage makes the lower directory of all floor containers.
func floorImage() error {
	bin := floorRoot + "/lower/bin"
	for _, d := range []string{"bin", "dev", "etc", "proc", "root", "sys", "tmp"} {
		if err := os.MkdirAll(floorRoot+"/lower/"+d, 0755); err != nil {
			return err
		}
	}
	data, err := os.ReadFile("/bin/busybox")
	if err != nil {
		return err
	}
	if err := os.WriteFile(bin+"/busybox", data, 0755); err != nil {
		return err
	}
	for _, applet := range []string{"sh", "sleep", "true"} {
		if err := os.Symlink("busybox", bin+"/"+applet); err != nil && !os.IsExist(err) {
			return err
		}
	}
	return nil
}

func (p *floorPod) spec(command []string) map[string]any {
	type m = map[string]any
	namespaces := []m{{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}}
	if p.network != "host" {
		namespaces = append(namespaces, m{"type": "network", "path": "/run/netns/" + p.id})
	}
	return m{
		"ociVersion": "1.0.2",
		"hostname":   p.id,
		"root":       m{"path": p.directory + "/merged"},
		"process": m{
			"args": command, "cwd": "/", "user": m{"uid": 0, "gid": 0}, "env": []string{"PATH=/bin"},
			"noNewPrivileges": true,
		},
		"mounts": []m{
			{"destination": "/proc", "type": "proc", "source": "proc"},
			{"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": []string{"nosuid", "mode=755"}},
			{"destination": "/dev/pts", "type": "devpts", "source": "devpts"},
			{"destination": "/dev/shm", "type": "tmpfs", "source": "shm"},
			{"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue"},
			{"destination": "/sys", "type": "bind", "source": "/sys", "options": []string{"rbind", "ro"}},
		},
		"linux": m{"cgroupsPath": podSlice + ":floor:" + p.id, "namespaces": namespaces},
	}
}

// cni calls the plugins of the node's configuration, as a runtime does.
func (p *floorPod) cni(command string) error {
	data, err := os.ReadFile("/etc/cni/net.d/10-bridge.conflist")
	if err != nil {
		return err
	}
	var list struct {
		CniVersion, Name string
		Plugins          []map[string]any
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	plugins := append([]map[string]any{{"type": "loopback"}}, list.Plugins...)
	var previous any
	for i := range plugins {
		plugin := plugins[i]
		if command == "DEL" {
			plugin = plugins[len(plugins)-1-i]
		}
		plugin["cniVersion"], plugin["name"] = list.CniVersion, list.Name
		if plugin["type"] != "loopback" && previous != nil {
			plugin["prevResult"] = previous
		}
		if plugin["type"] == "portmap" {
			plugin["runtimeConfig"] = map[string]any{"portMappings": []any{}}
			if previous == nil {
				continue
			}
		}
		ifname := "eth0"
		if plugin["type"] == "loopback" {
			ifname = "lo"
		}
		input, _ := json.Marshal(plugin)
		c := exec.Command("/usr/lib/cni/" + plugin["type"].(string))
		c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "CNI_COMMAND=" + command, "CNI_CONTAINERID=" + p.id,
			"CNI_NETNS=/run/netns/" + p.id, "CNI_IFNAME=" + ifname, "CNI_PATH=/usr/lib/cni"}
		c.Stdin = bytes.NewReader(input)
		output, err := c.Output()
		if err != nil {
			return fmt.Errorf("floor: %s %s: %w: %s", plugin["type"], command, err, output)
		}
		if command == "ADD" && plugin["type"] == "bridge" {
			if err := json.Unmarshal(output, &previous); err != nil {
				return err
			}
		}
	}
	return nil
}

func crun(arguments ...string) error {
	return run(append([]string{"crun", "--systemd-cgroup"}, arguments...)...)
}

func floorRun(network string) (*floorPod, error) {
	serial++
	p := &floorPod{id: fmt.Sprintf("floor-%d", serial), network: network}
	p.directory = filepath.Join(floorRoot, p.id)
	for _, d := range []string{"merged", "upper", "work"} {
		if err := os.MkdirAll(p.directory+"/"+d, 0755); err != nil {
			return nil, err
		}
	}
	if network != "host" {
		if err := run("ip", "netns", "add", p.id); err != nil {
			return nil, err
		}
		if err := p.cni("ADD"); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *floorPod) create(command []string) error {
	options := fmt.Sprintf("lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work", floorRoot, p.directory, p.directory)
	if err := syscall.Mount("overlay", p.directory+"/merged", "overlay", 0, options); err != nil {
		return err
	}
	config, _ := json.Marshal(p.spec(command))
	if err := os.WriteFile(p.directory+"/config.json", config, 0644); err != nil {
		return err
	}
	log, err := os.Create(p.directory + "/log")
	if err != nil {
		return err
	}
	defer log.Close()
	c := exec.Command("crun", "--systemd-cgroup", "create", "--bundle", p.directory, "--pid-file", p.directory+"/pid", p.id)
	c.Stdout, c.Stderr = log, log
	if err := c.Run(); err != nil {
		return fmt.Errorf("floor: crun create: %w", err)
	}
	pid, err := os.ReadFile(p.directory + "/pid")
	if err != nil {
		return err
	}
	p.pid, err = strconv.Atoi(strings.TrimSpace(string(pid)))
	return err
}

func (p *floorPod) start() error {
	return crun("start", p.id)
}

func (p *floorPod) exec() error {
	return crun("exec", p.id, "true")
}

func (p *floorPod) stop() error {
	if err := syscall.Kill(p.pid, syscall.SIGKILL); err != nil {
		return err
	}
	for {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
		if err != nil || bytes.Contains(stat, []byte(") Z ")) {
			return nil
		}
		time.Sleep(100 * time.Microsecond)
	}
}

func (p *floorPod) removeContainer() error {
	if err := crun("delete", "--force", p.id); err != nil {
		return err
	}
	if err := syscall.Unmount(p.directory+"/merged", syscall.MNT_DETACH); err != nil {
		return err
	}
	return os.RemoveAll(p.directory)
}

func (p *floorPod) removePod() error {
	if p.network == "host" {
		return nil
	}
	if err := p.cni("DEL"); err != nil {
		return err
	}
	return run("ip", "netns", "del", p.id)
}
