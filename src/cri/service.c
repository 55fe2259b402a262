/* SPDX-License-Identifier: Apache-2.0 */
#include "cri/service.h"

#include "cri/handlers.h"

#define RUNTIME "/runtime.v1.RuntimeService/"
#define IMAGE "/runtime.v1.ImageService/"

/* Calls that are not here are answered with UNIMPLEMENTED and their name by the server. */
const GrpcMethod cri_methods[] = {
        { RUNTIME "Version", handle_version },
        { RUNTIME "Status", handle_status },
        { RUNTIME "RuntimeConfig", handle_runtime_config },
        { RUNTIME "UpdateRuntimeConfig", handle_update_runtime_config },

        { RUNTIME "RunPodSandbox", handle_run_pod_sandbox },
        { RUNTIME "StopPodSandbox", handle_stop_pod_sandbox },
        { RUNTIME "RemovePodSandbox", handle_remove_pod_sandbox },
        { RUNTIME "PodSandboxStatus", handle_pod_sandbox_status },
        { RUNTIME "ListPodSandbox", handle_list_pod_sandbox },
        { RUNTIME "StreamPodSandboxes", handle_stream_pod_sandboxes, true },
        { RUNTIME "UpdatePodSandboxResources", handle_update_pod_sandbox_resources },

        { RUNTIME "CreateContainer", handle_create_container },
        { RUNTIME "StartContainer", handle_start_container },
        { RUNTIME "StopContainer", handle_stop_container },
        { RUNTIME "RemoveContainer", handle_remove_container },
        { RUNTIME "ListContainers", handle_list_containers },
        { RUNTIME "StreamContainers", handle_stream_containers, true },
        { RUNTIME "ContainerStatus", handle_container_status },
        { RUNTIME "UpdateContainerResources", handle_update_container_resources },
        { RUNTIME "ReopenContainerLog", handle_reopen_container_log },
        { RUNTIME "ExecSync", handle_exec_sync },

        { RUNTIME "ContainerStats", handle_container_stats },
        { RUNTIME "ListContainerStats", handle_list_container_stats },
        { RUNTIME "StreamContainerStats", handle_stream_container_stats, true },
        { RUNTIME "PodSandboxStats", handle_pod_sandbox_stats },
        { RUNTIME "ListPodSandboxStats", handle_list_pod_sandbox_stats },
        { RUNTIME "StreamPodSandboxStats", handle_stream_pod_sandbox_stats, true },

        { IMAGE "ListImages", handle_list_images },
        { IMAGE "StreamImages", handle_stream_images, true },
        { IMAGE "ImageStatus", handle_image_status },
        { IMAGE "PullImage", handle_pull_image },
        { IMAGE "RemoveImage", handle_remove_image },
        { IMAGE "ImageFsInfo", handle_image_fs_info },
        {},
};
