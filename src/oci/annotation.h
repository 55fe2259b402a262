/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Annotations that change what a container may do.
 *
 * Some keys are instructions to crio or to the OCI runtime ("org.systemd.property.*" sets properties of the
 * scope, "run.oci.*" and "bundle" steer crun). Whoever may create pods must not give them, unless the
 * administrator allows it for the runtime handler. Source: crio.conf(5), allowed_annotations.
 */

#include "basic/error.h"

/* Whether the key is an instruction. */
bool annotation_is_gated(const char *key);

/* Removes the pairs whose key is an instruction and does not begin with one of @allowed (which may be NULL).
 */
void annotations_filter(char **pairs, char *const *allowed);
