/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The environment of a container's first process. For oci/ only.
 */

typedef struct OciSpecInput OciSpecInput;

/**
 * oci_environment_new() - put the variables of all sources together
 * @ret:  "NAME=value" each; a name stands once, where it came first, with the value that came last
 *
 * In rising precedence: PATH, TERM, HOSTNAME of the pod, HOME of the user, those of crio.conf, of the image,
 * of the container. Linear: with links to services a container has tens of thousands.
 *
 * Return: 0 or -ENOMEM.
 */
int oci_environment_new(const OciSpecInput *in, char ***ret);
