// SPDX-License-Identifier: Apache-2.0
package main

// A CRI service and the few calls that are measured.

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const callTimeout = 2 * time.Minute

// podSlice is there before the pods, as the kubelet makes it before it calls us.
const podSlice = "benchpods.slice"

// client is one way to run pods through a CRI socket: a service and the name of its handler.
type client struct {
	name    string
	service *service
	handler string
	wire    *grpc.ClientConn
	runtime cri.RuntimeServiceClient
	images  cri.ImageServiceClient
}

func dial(s *service) (*grpc.ClientConn, error) {
	return grpc.NewClient("unix:"+s.socket, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
}

func newClient(s *service, handler string) (*client, error) {
	connection, err := dial(s)
	if err != nil {
		return nil, err
	}
	return &client{
		name:    s.name + " " + handler,
		service: s,
		handler: handler,
		wire:    connection,
		runtime: cri.NewRuntimeServiceClient(connection),
		images:  cri.NewImageServiceClient(connection),
	}, nil
}

func call() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), callTimeout)
}

var serial int

func podConfig(network string) *cri.PodSandboxConfig {
	serial++
	name := fmt.Sprintf("bench-%d", serial)
	mode, hostname := cri.NamespaceMode_POD, name
	if network == "host" {
		mode, hostname = cri.NamespaceMode_NODE, "" // containerd refuses one
	}
	return &cri.PodSandboxConfig{
		Metadata:     &cri.PodSandboxMetadata{Name: name, Namespace: "bench", Uid: name},
		Hostname:     hostname,
		LogDirectory: logRoot + "/" + name,
		Labels:       map[string]string{"io.kubernetes.pod.name": name, "io.kubernetes.pod.namespace": "bench", "io.kubernetes.pod.uid": name},
		Linux: &cri.LinuxPodSandboxConfig{
			CgroupParent: podSlice,
			SecurityContext: &cri.LinuxSandboxSecurityContext{
				NamespaceOptions: &cri.NamespaceOption{Network: mode, Pid: cri.NamespaceMode_CONTAINER},
				Seccomp:          &cri.SecurityProfile{ProfileType: cri.SecurityProfile_Unconfined},
			},
		},
	}
}

func containerConfig(command []string, mounts ...*cri.Mount) *cri.ContainerConfig {
	return &cri.ContainerConfig{
		Metadata: &cri.ContainerMetadata{Name: "main"},
		Image:    &cri.ImageSpec{Image: imageSmall},
		Command:  command,
		LogPath:  "main.log",
		Labels:   map[string]string{"io.kubernetes.container.name": "main"},
		Mounts:   mounts,
		Linux: &cri.LinuxContainerConfig{
			SecurityContext: &cri.LinuxContainerSecurityContext{
				NamespaceOptions: &cri.NamespaceOption{Pid: cri.NamespaceMode_CONTAINER},
				Seccomp:          &cri.SecurityProfile{ProfileType: cri.SecurityProfile_Unconfined},
			},
		},
	}
}

// pod is a sandbox with one container in it.
type pod struct {
	c      *client
	config *cri.PodSandboxConfig
	id     string
	main   string
}

func (c *client) run(config *cri.PodSandboxConfig) (*pod, error) {
	ctx, cancel := call()
	defer cancel()
	reply, err := c.runtime.RunPodSandbox(ctx, &cri.RunPodSandboxRequest{Config: config, RuntimeHandler: c.handler})
	if err != nil {
		return nil, fmt.Errorf("%s: RunPodSandbox: %w", c.name, err)
	}
	return &pod{c: c, config: config, id: reply.PodSandboxId}, nil
}

func (p *pod) create(config *cri.ContainerConfig) error {
	ctx, cancel := call()
	defer cancel()
	reply, err := p.c.runtime.CreateContainer(ctx, &cri.CreateContainerRequest{
		PodSandboxId: p.id, Config: config, SandboxConfig: p.config})
	if err != nil {
		return fmt.Errorf("%s: CreateContainer: %w", p.c.name, err)
	}
	p.main = reply.ContainerId
	return nil
}

func (p *pod) start() error {
	ctx, cancel := call()
	defer cancel()
	_, err := p.c.runtime.StartContainer(ctx, &cri.StartContainerRequest{ContainerId: p.main})
	if err != nil {
		return fmt.Errorf("%s: StartContainer: %w", p.c.name, err)
	}
	return nil
}

func (p *pod) exec() error {
	ctx, cancel := call()
	defer cancel()
	reply, err := p.c.runtime.ExecSync(ctx, &cri.ExecSyncRequest{ContainerId: p.main, Cmd: []string{"true"}, Timeout: 30})
	if err == nil && reply.ExitCode != 0 {
		err = fmt.Errorf("exit code %d", reply.ExitCode)
	}
	if err != nil {
		return fmt.Errorf("%s: ExecSync: %w", p.c.name, err)
	}
	return nil
}

func (p *pod) stop() error {
	ctx, cancel := call()
	defer cancel()
	_, err := p.c.runtime.StopContainer(ctx, &cri.StopContainerRequest{ContainerId: p.main, Timeout: 0})
	if err != nil {
		return fmt.Errorf("%s: StopContainer: %w", p.c.name, err)
	}
	return nil
}

func (p *pod) removeContainer() error {
	ctx, cancel := call()
	defer cancel()
	_, err := p.c.runtime.RemoveContainer(ctx, &cri.RemoveContainerRequest{ContainerId: p.main})
	if err != nil {
		return fmt.Errorf("%s: RemoveContainer: %w", p.c.name, err)
	}
	return nil
}

func (p *pod) stopPod() error {
	ctx, cancel := call()
	defer cancel()
	_, err := p.c.runtime.StopPodSandbox(ctx, &cri.StopPodSandboxRequest{PodSandboxId: p.id})
	if err != nil {
		return fmt.Errorf("%s: StopPodSandbox: %w", p.c.name, err)
	}
	return nil
}

func (p *pod) removePod() error {
	ctx, cancel := call()
	defer cancel()
	_, err := p.c.runtime.RemovePodSandbox(ctx, &cri.RemovePodSandboxRequest{PodSandboxId: p.id})
	if err != nil {
		return fmt.Errorf("%s: RemovePodSandbox: %w", p.c.name, err)
	}
	return nil
}

// remove takes the pod away with everything in it.
func (p *pod) remove() error {
	if err := p.stopPod(); err != nil {
		return err
	}
	return p.removePod()
}

func (p *pod) logPath() string {
	return p.config.LogDirectory + "/main.log"
}

func (p *pod) exited() (bool, error) {
	ctx, cancel := call()
	defer cancel()
	reply, err := p.c.runtime.ContainerStatus(ctx, &cri.ContainerStatusRequest{ContainerId: p.main})
	if err != nil {
		return false, fmt.Errorf("%s: ContainerStatus: %w", p.c.name, err)
	}
	return reply.Status.State == cri.ContainerState_CONTAINER_EXITED, nil
}

// count is the number of containers.
func (c *client) count() (int, error) {
	ctx, cancel := call()
	defer cancel()
	reply, err := c.runtime.ListContainers(ctx, &cri.ListContainersRequest{})
	if err != nil {
		return 0, fmt.Errorf("%s: ListContainers: %w", c.name, err)
	}
	return len(reply.Containers), nil
}

// raw leaves messages as they are: what decoding costs us is not what we measure.
type raw struct{}

func (raw) Name() string                  { return "proto" }
func (raw) Marshal(v any) ([]byte, error) { return v.([]byte), nil }
func (raw) Unmarshal(data []byte, v any) error {
	*v.(*int) = len(data)
	return nil
}

// list asks for all containers and all pods, as a kubelet does again and again; returns the size of the answers.
func (c *client) list() (int, error) {
	ctx, cancel := call()
	defer cancel()
	sum := 0
	for _, method := range []string{"ListContainers", "ListPodSandbox"} {
		var size int
		err := c.wire.Invoke(ctx, "/runtime.v1.RuntimeService/"+method, []byte{}, &size, grpc.ForceCodec(raw{}))
		if err != nil {
			return 0, fmt.Errorf("%s: %s: %w", c.name, method, err)
		}
		sum += size
	}
	return sum, nil
}

func (c *client) pull(image string) error {
	ctx, cancel := call()
	defer cancel()
	_, err := c.images.PullImage(ctx, &cri.PullImageRequest{Image: &cri.ImageSpec{Image: image}})
	if err != nil {
		return fmt.Errorf("%s: PullImage: %w", c.name, err)
	}
	return nil
}

func (c *client) removeImage(image string) error {
	ctx, cancel := call()
	defer cancel()
	_, err := c.images.RemoveImage(ctx, &cri.RemoveImageRequest{Image: &cri.ImageSpec{Image: image}})
	if err != nil {
		return fmt.Errorf("%s: RemoveImage: %w", c.name, err)
	}
	return nil
}
