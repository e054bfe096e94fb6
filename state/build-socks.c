#include <config.h>

#include "state/build.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/util.h"
#include "state/document.h"
#include "state/model.h"
#include "util.h"

/* The SOCKS5 proxy of a node. */

#define SOCKS_PORT 1080

static void
socks_exit_cb(struct build *build, const struct doc_value *item, void *node_)
{
    struct model_node *node = node_;
    char *key = build_exit_key(item->string, node->name);

    if (!model_get_exit(build->model, key)) {
        build_unknown_exit(build, key, &item->loc);
    } else if (!svec_contains_unsorted(&node->socks.exits, key)) {
        svec_add(&node->socks.exits, key);
    }
    free(key);
}

/* Returns NULL, or why a proxy must not be open to them. */
static const char *
selector_why_not(const struct model_selector *sel)
{
    switch (sel->kind) {
    case SEL_ANY:
    case SEL_INTERNET:
        return "that is everybody: an open proxy";
    case SEL_CIDR:
        return sel->prefix.plen ? NULL : "that is everybody: an open proxy";
    case SEL_SERVICE:
        return "a service connects to nobody";
    case SEL_CLIENT:
    case SEL_CONTAINER:
    case SEL_TAG:
    case SEL_SEGMENT:
    case SEL_NODE:
    case SEL_GLOB:
        return NULL;
    }
    return NULL;
}

static void
build_socks_allow(struct build *build, struct model_socks *socks,
                  const struct doc_value *list)
{
    for (size_t i = 0; i < doc_n_items(list); i++) {
        const struct doc_value *item = doc_item(list, i);
        struct model_selector sel;

        if (item->type != DOC_SCALAR || !item->string[0]) {
            continue;
        }
        char *error = model_selector_parse(build->model, item->string, false,
                                           &sel);
        const char *why = error ? error : selector_why_not(&sel);
        if (why) {
            diags_add(build->diags, DIAG_ERROR, &item->loc,
                      error ? NULL : "name the addresses, containers or tags "
                      "that may use the proxy", "%s", why);
        } else if (!svec_contains_unsorted(&socks->allow, sel.text)) {
            svec_add(&socks->allow, sel.text);
        }
        if (!error) {
            model_selector_destroy(&sel);
        }
        free(error);
    }
}

void
build_socks(struct build *build, const char *node_name,
            const struct doc_value *node_doc)
{
    struct model_node *node = shash_find_data(&build->model->nodes,
                                              node_name);
    const struct doc_value *doc = doc_get(node_doc, "socks5");
    struct model_socks *socks = &node->socks;
    struct sn_prefix listen;

    if (!doc || doc->type != DOC_MAP) {
        return;
    }
    socks->enabled = true;
    socks->port = build_number(doc, "port", UINT16_MAX, SOCKS_PORT);
    if (build_prefix(doc_get(doc, "listen"), &listen)) {
        if (!listen.is_v4) {
            diags_add(build->diags, DIAG_ERROR, &doc_get(doc, "listen")->loc,
                      NULL, "the proxy listens at an IPv4 address");
        }
        socks->listen = sn_prefix_host(&listen);
    }
    if (build_exit_list(build, doc_get(doc, "exit"), socks_exit_cb, node)) {
        diags_add(build->diags, DIAG_ERROR, &doc_get(doc, "exit")->loc,
                  "leave socks5 out if there shall be no proxy",
                  "a proxy without an exit carries nothing");
    }
    build_socks_allow(build, socks, doc_get(doc, "allow"));
}
