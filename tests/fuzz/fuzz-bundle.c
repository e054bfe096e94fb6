/* What a bundle takes secrets out of, and what doctor reads of nft. */

#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/nft-walk.h"
#include "cli/redact.h"
#include "openvswitch/json.h"
#include "openvswitch/util.h"
#include "sset.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
walk(const char *text)
{
    const struct nft_packet packet = {
        .iif = "vmbr0", .oif = "nm-privacy", .l4proto = "tcp", .is_v4 = true,
    };
    struct json *json = json_from_string(text);

    for (size_t i = 0; json->type == JSON_ARRAY && i < json_array(json)->n;
         i++) {
        const struct json *chain = nft_member(json_array(json)->elems[i],
                                              "chain");
        struct nft_drop drop = { .chain = NULL };

        if (chain && nft_walk(json, chain, &packet, &drop) == NFT_DROPPED) {
            ovs_assert(drop.chain);
        }
    }
    json_destroy(json);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct sset public_keys = SSET_INITIALIZER(&public_keys);
    char *text = xmemdup0((const char *) data, n);
    char *clean = redact(text, &public_keys);

    ovs_assert(strlen(clean) <= strlen(text) * strlen("[redacted]"));
    free(clean);
    walk(text);
    free(text);
    sset_destroy(&public_keys);
    return 0;
}
