#include <config.h>
#include "agent/nft.h"

#include <errno.h>
#include <nftables/libnftables.h>
#include <stdlib.h>
#include <string.h>

#include "agent/link.h"
#include "agent/plan.h"
#include "agent/stats.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "sset.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(nft);

struct nft {
    struct nft_ctx *ctx;
    /* What nft printed after the last installation, and for what; another
     * version of nft may print other text than this program expects.  Somebody
     * may have changed it in between: it counts if it was the same twice. */
    char *installed, *printed;
    bool printed_twice;

    bool stale, stale_ingress;  /* What the kernel has is not known. */
    char *verified;             /* Text of "inet socknet" found or made. */
    struct sset ingress;        /* The same of "netdev socknet". */
    bool has_ingress, has_strangers;
};

struct nft *
nft_create(void)
{
    struct nft *nft = xzalloc(sizeof *nft);

    nft->ctx = nft_ctx_new(NFT_CTX_DEFAULT);
    ovs_assert(nft->ctx);
    nft->stale = nft->stale_ingress = true;
    sset_init(&nft->ingress);
    nft_ctx_buffer_output(nft->ctx);
    nft_ctx_buffer_error(nft->ctx);
    nft_ctx_output_set_flags(nft->ctx, NFT_CTX_OUTPUT_STATELESS
                                       | NFT_CTX_OUTPUT_NUMERIC_PROTO);
    return nft;
}

void
nft_destroy(struct nft *nft)
{
    if (nft) {
        nft_ctx_free(nft->ctx);
        free(nft->installed);
        free(nft->printed);
        free(nft->verified);
        sset_destroy(&nft->ingress);
        free(nft);
    }
}

bool
nft_is_in_place(const struct nft *nft)
{
    return nft->verified && !nft->stale;
}

void
nft_set_stale(struct nft *nft)
{
    nft->stale = nft->stale_ingress = true;
}

/* Returns NULL or the first line of nft's complaint. */
static char *
nft_run(struct nft *nft, const char *command)
{
    if (!nft_run_cmd_from_buffer(nft->ctx, command)) {
        nft_ctx_get_error_buffer(nft->ctx);
        return NULL;
    }
    const char *text = nft_ctx_get_error_buffer(nft->ctx);
    return xmemdup0(text, strcspn(text, "\n"));
}

/* Lists a table; "" if there is none. */
static const char *
nft_list(struct nft *nft, const char *table)
{
    char *command = xasprintf("list table %s", table);
    char *error = nft_run(nft, command);
    const char *text = nft_ctx_get_output_buffer(nft->ctx);

    free(command);
    if (error) {
        free(error);
        return "";
    }
    return text;
}

static char *
nft_write(struct nft *nft, const char *command)
{
    char *error = nft_run(nft, command);

    if (error) {
        agent_stats.write_errors++;
    } else {
        agent_stats.nft_writes++;
    }
    return error;
}

void
nft_find_guarded(struct nft *nft, const char *field, nft_guarded_cb *cb,
                 void *aux)
{
    nft_parse_guarded(nft_list(nft, "inet socknet"), field, cb, aux);
}

static void
note_printed(struct nft *nft, const char *wanted)
{
    const char *printed = nft_list(nft, "inet socknet");

    nft->printed_twice = (printed[0] && nft->installed
                          && !strcmp(nft->installed, wanted)
                          && !strcmp(nft->printed, printed));
    free(nft->installed);
    free(nft->printed);
    nft->installed = xstrdup(wanted);
    nft->printed = xstrdup(printed);
}

/* Makes the kernel's table read as 'wanted'.  Returns NULL or an error. */
static char *
sync_table(struct nft *nft, const char *wanted)
{
    const char *actual = nft_list(nft, "inet socknet");
    char *command, *error;

    if (!strcmp(actual, wanted)
        || (nft->printed_twice && !strcmp(nft->installed, wanted)
            && !strcmp(nft->printed, actual))) {
        return NULL;
    }
    /* "table" first, so that "delete" never fails. */
    command = xasprintf("table inet socknet\ndelete table inet socknet\n%s",
                        wanted);
    error = nft_write(nft, command);
    free(command);
    if (!error) {
        VLOG_INFO("installed the nftables table \"inet socknet\"");
        note_printed(nft, wanted);
    }
    return error;
}

bool
nft_sync(struct nft *nft, const struct plan *plan, const struct links *links,
         struct sset *problems)
{
    struct ds wanted = DS_EMPTY_INITIALIZER;
    char *error;

    nft_format(plan, links, &wanted);
    if (!nft->stale && nft->verified
        && !strcmp(nft->verified, ds_cstr(&wanted))) {
        ds_destroy(&wanted);
        return true;
    }
    error = sync_table(nft, ds_cstr(&wanted));
    free(nft->verified);
    nft->verified = error ? NULL : ds_steal_cstr(&wanted);
    nft->stale = false;
    ds_destroy(&wanted);
    if (error) {
        sset_add_and_free(problems, xasprintf("nftables: %s", error));
        free(error);
        return false;
    }
    return true;
}

#define INGRESS_TABLE "netdev socknet"
#define STRANGERS_TABLE "inet socknet_veths"

/* Appends what has to change. */
static void
put_strangers_changes(struct nft *nft, bool want, struct ds *ds)
{
    struct ds text = DS_EMPTY_INITIALIZER;
    const char *actual = nft_list(nft, STRANGERS_TABLE);

    nft_format_strangers(&text);
    if (want ? strcmp(actual, ds_cstr(&text)) : actual[0] != '\0') {
        ds_put_format(ds, "table "STRANGERS_TABLE"\n"
                      "delete table "STRANGERS_TABLE"\n%s",
                      want ? ds_cstr(&text) : "");
    }
    ds_destroy(&text);
}

static void
put_ingress_changes(const struct sset *have, const struct sset *want,
                    struct ds *ds)
{
    const char *veth;

    SSET_FOR_EACH (veth, have) {
        const char *name = veth[0] == '*' ? veth + 1 : veth;

        if (name != veth || !sset_contains(want, name)) {
            ds_put_format(ds, "delete chain "INGRESS_TABLE" in_%s\n", name);
        }
    }
    SSET_FOR_EACH (veth, want) {
        if (!sset_contains(have, veth)) {
            ds_put_format(ds, "add chain "INGRESS_TABLE" in_%s { type filter "
                          "hook ingress device \"%s\" priority filter; "
                          "policy drop; }\n", veth, veth);
        }
    }
}

/* Returns NULL or an error. */
static char *
sync_ingress_table(struct nft *nft, const struct sset *want, bool strangers)
{
    const char *listing = nft_list(nft, INGRESS_TABLE);
    struct sset have = SSET_INITIALIZER(&have);
    struct ds ds = DS_EMPTY_INITIALIZER;
    bool exists = listing[0] != '\0';
    char *error = NULL;

    nft_parse_ingress(listing, &have);
    if (!want) {
        if (exists) {
            ds_put_cstr(&ds, "delete table "INGRESS_TABLE"\n");
        }
    } else {
        put_ingress_changes(&have, want, &ds);
        if (ds.length) {
            char *changes = ds_steal_cstr(&ds);

            ds_put_format(&ds, "add table "INGRESS_TABLE" { comment "
                          "\"made by socknet-agent\"; }\n%s", changes);
            free(changes);
        }
    }
    put_strangers_changes(nft, strangers, &ds);
    if (ds.length) {
        error = nft_write(nft, ds_cstr(&ds));
    }
    sset_destroy(&have);
    ds_destroy(&ds);
    return error;
}

bool
nft_sync_ingress(struct nft *nft, const struct sset *veths, bool strangers,
                 struct sset *problems)
{
    char *error;

    if (!nft->stale_ingress && nft->has_ingress == (veths != NULL)
        && nft->has_strangers == strangers
        && (!veths || sset_equals(veths, &nft->ingress))) {
        return true;
    }
    error = sync_ingress_table(nft, veths, strangers);
    nft->has_strangers = strangers;
    nft->stale_ingress = error != NULL;
    nft->has_ingress = veths != NULL;
    sset_destroy(&nft->ingress);
    if (veths) {
        sset_clone(&nft->ingress, veths);
    } else {
        sset_init(&nft->ingress);
    }
    if (error) {
        sset_add_and_free(problems, xasprintf("nftables: %s", error));
        free(error);
        return false;
    }
    return true;
}

static bool
nft_delete(struct nft *nft, const char *table)
{
    char *command = xasprintf("delete table %s", table);
    char *error = nft_list(nft, table)[0] ? nft_write(nft, command) : NULL;
    bool ok = !error;

    if (error) {
        VLOG_WARN("%s: %s", command, error);
    }
    free(error);
    free(command);
    return ok;
}

int
nft_cleanup(struct nft *nft)
{
    bool ok = nft_delete(nft, "inet socknet");

    ok &= nft_delete(nft, INGRESS_TABLE);
    ok &= nft_delete(nft, STRANGERS_TABLE);
    return ok ? 0 : EIO;
}
