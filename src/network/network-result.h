/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * NetworkResult: what a CNI ADD has answered, as JSON. For network/ only. Source: CNI specification 1.0.0,
 * section 5.
 */

#include <jansson.h>

/* The addresses of the pod, "10.85.0.2/16" without its prefix length; at most NETWORK_ADDRESSES_MAX. 0 or
 * -ENOMEM. */
int network_result_addresses(json_t *result, char ***ret);

/**
 * network_result_follow_links() - hardware addresses of links on the host's side, as they are now
 *
 * udev gives a link that has a name of its own an address of its own (MACAddressPolicy=), some time after it
 * was made, so what the plugin has read may be no longer true.
 *
 * Return: 1 when something was changed in @result, 0 when all is as it says, -ENOMEM.
 */
int network_result_follow_links(json_t *result);
