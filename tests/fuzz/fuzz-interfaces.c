/* /etc/network/interfaces, whatever it holds: what is added once is not
 * missing any more. */

#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/install.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct ds text = DS_EMPTY_INITIALIZER, diff = DS_EMPTY_INITIALIZER;
    struct ds again = DS_EMPTY_INITIALIZER, none = DS_EMPTY_INITIALIZER;
    const char *mac = n % 2 ? "02:00:00:00:00:01" : NULL;
    char *before = xmemdup0((const char *) data, n);
    char *error = install_compute(before, "f", mac, &text, &diff);

    if (!error) {
        error = install_compute(ds_cstr(&text), "f", mac, &again, &none);
        ovs_assert(!error && !none.length);
    }
    free(error);
    free(before);
    ds_destroy(&text);
    ds_destroy(&diff);
    ds_destroy(&again);
    ds_destroy(&none);
    return 0;
}
