/* The answer of wireguard-go's control socket: whatever the bytes, no crash;
 * and a device that could be read is what its own description configures. */

#include <config.h>

#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>

#include "agent/wg-uapi.h"
#include "agent/wg.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check_round_trip(const struct wg_device *device)
{
    struct ds text = DS_EMPTY_INITIALIZER;
    struct wg_device blank, again;
    struct wg_changes changes;

    wg_device_init(&blank);
    wg_device_init(&again);
    wg_changes_init(&changes);
    wg_diff(&blank, device, 0, &changes);
    wg_uapi_format(&changes, &text);
    wg_changes_destroy(&changes);

    ds_chomp(&text, '\n');      /* The empty line that ends a request. */
    ds_put_cstr(&text, "errno=0\n\n");
    ovs_assert(!wg_uapi_parse(ds_cstr(&text), &again));
    wg_changes_init(&changes);
    wg_diff(&again, device, 0, &changes);
    ovs_assert(wg_changes_is_empty(&changes));

    wg_changes_destroy(&changes);
    wg_device_destroy(&again);
    wg_device_destroy(&blank);
    ds_destroy(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct wg_device device;

    if (sodium_init() < 0) {
        return 0;
    }
    char *text = xmemdup0((const char *) data, n);
    wg_device_init(&device);
    if (!wg_uapi_parse(text, &device)) {
        check_round_trip(&device);
    }
    wg_device_destroy(&device);
    free(text);
    return 0;
}
