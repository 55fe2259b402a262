/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Handlers of the CRI calls, for the table in service.c. For cri/ only.
 */

#include "grpc/call.h"

#define HANDLER(name) void name(GrpcCall *call, const void *data, size_t size, void *userdata)

/* runtime-service.c */
HANDLER(handle_version);
HANDLER(handle_status);
HANDLER(handle_runtime_config);
HANDLER(handle_update_runtime_config);

/* pod-service.c */
HANDLER(handle_run_pod_sandbox);
HANDLER(handle_stop_pod_sandbox);
HANDLER(handle_remove_pod_sandbox);
HANDLER(handle_pod_sandbox_status);
HANDLER(handle_list_pod_sandbox);
HANDLER(handle_stream_pod_sandboxes);
HANDLER(handle_update_pod_sandbox_resources);

/* container-service.c */
HANDLER(handle_create_container);
HANDLER(handle_start_container);
HANDLER(handle_stop_container);
HANDLER(handle_remove_container);
HANDLER(handle_update_container_resources);
HANDLER(handle_reopen_container_log);
HANDLER(handle_exec_sync);

/* container-status.c */
HANDLER(handle_list_containers);
HANDLER(handle_stream_containers);
HANDLER(handle_container_status);

/* image-service.c */
HANDLER(handle_list_images);
HANDLER(handle_stream_images);
HANDLER(handle_image_status);
HANDLER(handle_pull_image);
HANDLER(handle_remove_image);
HANDLER(handle_image_fs_info);

/* stats-service.c */
HANDLER(handle_container_stats);
HANDLER(handle_list_container_stats);
HANDLER(handle_stream_container_stats);
HANDLER(handle_pod_sandbox_stats);
HANDLER(handle_list_pod_sandbox_stats);
HANDLER(handle_stream_pod_sandbox_stats);
