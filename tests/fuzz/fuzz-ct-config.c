/* A container's file, as Proxmox or LXC has it, whatever it holds. */

#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ct-config.h"
#include "openvswitch/util.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct ct_config *pve = ct_config_create("102", "f");
    struct ct_config *lxc = ct_config_create("102", "f");
    char *text = xmemdup0((const char *) data, n);

    pve_conf_parse(text, pve);
    lxc_conf_parse(text, lxc, NULL, NULL);
    for (size_t i = 1; i < pve->n_nics; i++) {
        ovs_assert(pve->nics[i - 1].index < pve->nics[i].index);
    }
    for (size_t i = 0; i < lxc->n_nics; i++) {
        ovs_assert(lxc->nics[i].n_addresses <= 2);
    }
    free(text);
    ct_config_destroy(pve);
    ct_config_destroy(lxc);
    return 0;
}
