#include <config.h>
#include "agent/ct-config.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/util.h"
#include "packets.h"
#include "util.h"

struct ct_config *
ct_config_create(const char *id, const char *file)
{
    struct ct_config *config = xzalloc(sizeof *config);

    config->id = xstrdup(id);
    config->name = xstrdup(id);
    config->file = xstrdup(file);
    return config;
}

void
ct_config_destroy(struct ct_config *config)
{
    if (config) {
        for (size_t i = 0; i < config->n_nics; i++) {
            free(config->nics[i].veth);
            free(config->nics[i].bridge);
        }
        free(config->nics);
        free(config->id);
        free(config->name);
        free(config->file);
        free(config);
    }
}

const struct ct_nic *
ct_config_find_nic(const struct ct_config *config, const char *veth)
{
    for (size_t i = 0; i < config->n_nics; i++) {
        const struct ct_nic *nic = &config->nics[i];

        if (nic->veth && !strcmp(nic->veth, veth)) {
            return nic;
        }
    }
    return NULL;
}

struct ct_nic *
ct_config_get_nic(struct ct_config *config, unsigned int index)
{
    size_t i = 0;

    while (i < config->n_nics && config->nics[i].index < index) {
        i++;
    }
    if (i == config->n_nics || config->nics[i].index != index) {
        config->nics = xrealloc(config->nics, (config->n_nics + 1)
                                              * sizeof *config->nics);
        memmove(&config->nics[i + 1], &config->nics[i],
                (config->n_nics - i) * sizeof *config->nics);
        config->n_nics++;
        config->nics[i] = (struct ct_nic) { .index = index };
    }
    return &config->nics[i];
}

void
ct_nic_add_address(struct ct_nic *nic, const char *text, bool is_v4)
{
    struct sn_prefix address;
    char *error = sn_prefix_parse(text, &address);

    if (!error && address.is_v4 == is_v4) {
        for (size_t i = 0; i < nic->n_addresses; i++) {
            if (nic->addresses[i].is_v4 == is_v4) {
                return;         /* The first one counts. */
            }
        }
        nic->addresses[nic->n_addresses++] = address;
    }
    free(error);
}

/* LXC fills in the digits of "00:16:3e:xx:xx:xx" by itself: no address yet. */
bool
ct_nic_set_mac(struct ct_nic *nic, const char *text)
{
    nic->has_mac = (eth_addr_from_string(text, &nic->mac)
                    && !eth_addr_is_zero(nic->mac));
    return nic->has_mac;
}
