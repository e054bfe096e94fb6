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
ct_config_clear_nics(struct ct_config *config)
{
    for (size_t i = 0; i < config->n_nics; i++) {
        free(config->nics[i].veth);
        free(config->nics[i].name);
        free(config->nics[i].bridge);
    }
    config->n_nics = 0;
}

void
ct_config_destroy(struct ct_config *config)
{
    if (config) {
        ct_config_clear_nics(config);
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

bool
ct_nic_is_unnamed(const struct ct_nic *nic)
{
    return nic->is_veth && !nic->veth;
}

const struct ct_nic *
ct_config_choose_nic(const struct ct_config *config, const char *bridge,
                     struct eth_addr mac, const char *name)
{
    const struct ct_nic *by_name = NULL, *only = NULL;
    size_t n = 0;

    for (size_t i = 0; i < config->n_nics; i++) {
        const struct ct_nic *nic = &config->nics[i];

        if (!ct_nic_is_unnamed(nic)) {
            continue;
        } else if (nic->has_mac && eth_addr_equals(nic->mac, mac)) {
            return nic;
        }
        if (nic->name && !strcmp(nic->name, name)) {
            by_name = nic;
        }
        if (!nic->bridge || !strcmp(nic->bridge, bridge)) {
            only = n++ ? NULL : nic;
        }
    }
    return by_name ? by_name : only;
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
        config->nics[i] = (struct ct_nic) { .index = index,
                                               .is_veth = true };
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
