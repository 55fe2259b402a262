/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Service: the table of all CRI calls, with their handlers.
 */

#include "grpc/server.h"

/* For GrpcServerOptions; the userdata of the handlers is the Manager. Ends with an empty row. */
extern const GrpcMethod cri_methods[];
