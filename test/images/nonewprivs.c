/* SPDX-License-Identifier: Apache-2.0 */

/* Installed setuid root: says as whom it runs, so that critest sees whether no_new_privs kept it from becoming root. */

#include <stdio.h>
#include <unistd.h>

int main(void) {
        printf("Effective uid: %u\n", (unsigned) geteuid());
        return 0;
}
