/* A profile of wgcf or wg-quick: whatever the bytes, no crash; and what could
 * be read makes a tunnel. */

#include <config.h>

#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>

#include "agent/exit-profile.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct exit_profile profile;

    if (sodium_init() < 0) {
        return 0;
    }
    char *error = exit_profile_parse((const char *) data, n, &profile);
    if (!error) {
        ovs_assert(profile.n_addresses && profile.n_peers);
        for (size_t i = 0; i < profile.n_peers; i++) {
            ovs_assert(!wg_key_is_zero(&profile.peers[i].key)
                       || profile.peers[i].n_allowed < SIZE_MAX);
        }
        exit_profile_destroy(&profile);
    }
    free(error);
    return 0;
}
