#include <config.h>

#include "flows/explain.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "flows/compiler-private.h"
#include "flows/limits.h"
#include "hash.h"
#include "lib/diag.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/hmap.h"
#include "openvswitch/util.h"
#include "util.h"

/* What a cookie without its detail stands for. */
struct meaning {
    struct hmap_node node;      /* In explainer->meanings. */
    uint64_t cookie;
    char *text;
};

struct explainer {
    struct hmap meanings;
    struct object_set objects;  /* Names under the numbers they prefer. */
};

static uint64_t
cookie_without_detail(uint64_t cookie)
{
    return cookie & ~UINT64_C(0xffff);
}

static struct meaning *
explainer_find(const struct explainer *ex, uint64_t cookie)
{
    uint64_t key = cookie_without_detail(cookie);
    struct meaning *m;

    HMAP_FOR_EACH_WITH_HASH (m, node, hash_uint64(key), &ex->meanings) {
        if (m->cookie == key) {
            return m;
        }
    }
    return NULL;
}

/* Takes ownership of 'text'.  Numbers are unique on one host only, and names
 * may hash alike: then the cookie stands for either. */
static void
explainer_add(struct explainer *ex, enum cookie_kind kind, uint32_t object,
              char *text)
{
    uint64_t cookie = cookie_make(kind, object, 0);
    struct meaning *m = explainer_find(ex, cookie);

    if (m) {
        char *both = strcmp(m->text, text) < 0
                     ? xasprintf("%s, or %s", m->text, text)
                     : xasprintf("%s, or %s", text, m->text);
        free(m->text);
        free(text);
        m->text = both;
    } else {
        m = xmalloc(sizeof *m);
        m->cookie = cookie;
        m->text = text;
        hmap_insert(&ex->meanings, &m->node, hash_uint64(cookie));
    }
}

static char *
describe(const char *kind, const char *name, const struct sn_loc *loc)
{
    if (!loc->file) {
        return xasprintf("%s %s", kind, name);
    }
    char *where = sn_loc_to_string(loc);
    char *text = xasprintf("%s %s (%s)", kind, name, where);
    free(where);
    return text;
}

static void
explainer_add_objects(struct explainer *ex, const struct model *model)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &model->containers) {
        const struct model_container *obj = node->data;
        explainer_add(ex, COOKIE_CONTAINER, cookie_container_number(obj),
                      describe("container", obj->name, &obj->loc));
    }
    SHASH_FOR_EACH (node, &model->exits) {
        const struct model_exit *obj = node->data;
        explainer_add(ex, COOKIE_EXIT, exit_number(obj),
                      describe("exit", node->name, &obj->loc));
    }
    SHASH_FOR_EACH (node, &model->segments) {
        const struct model_segment *obj = node->data;
        explainer_add(ex, COOKIE_SEGMENT, cookie_name_id(obj->name),
                      describe("segment", obj->name, &obj->loc));
    }
    SHASH_FOR_EACH (node, &model->acls) {
        const struct model_acl *obj = node->data;
        explainer_add(ex, COOKIE_ACL, cookie_name_id(obj->name),
                      describe("acl", obj->name, &obj->loc));
    }
    SHASH_FOR_EACH (node, &model->services) {
        const struct model_service *obj = node->data;
        explainer_add(ex, COOKIE_SERVICE, cookie_name_id(obj->name),
                      describe("service", obj->name, &obj->loc));
    }
    SHASH_FOR_EACH (node, &model->raw_flows) {
        const struct model_raw_flow *obj = node->data;
        char *quoted = xasprintf("\"%s\"", obj->text);
        explainer_add(ex, COOKIE_RAW_FLOW,
                      COOKIE_RAW_BIT | cookie_name_id(node->name),
                      describe("raw flow", quoted, &obj->loc));
        free(quoted);
    }
}

static void
explainer_add_nodes(struct explainer *ex, const struct model *model)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &model->nodes) {
        const struct model_node *obj = node->data;
        const char *uplink;

        explainer_add(ex, COOKIE_NODE, cookie_name_id(obj->name),
                      describe("node", obj->name, &obj->loc));
        SSET_FOR_EACH (uplink, &obj->uplinks) {
            explainer_add(ex, COOKIE_UPLINK, cookie_name_id(uplink),
                          describe("uplink", uplink, &obj->loc));
        }
        SSET_FOR_EACH (uplink, &obj->machines) {
            explainer_add(ex, COOKIE_UPLINK, cookie_name_id(uplink),
                          describe("virtual machine's port", uplink,
                                   &obj->loc));
        }
    }
}

static void
explainer_add_builtin(struct explainer *ex, const struct model *model)
{
#define SN_TABLE(ID, ENUM, NAME, PURPOSE)                                    \
    explainer_add(ex, COOKIE_BASE, ID, xstrdup("pipeline " NAME));
    SN_TABLES
#undef SN_TABLE
    explainer_add(ex, COOKIE_DEFAULT, POLICY_RULE_ALLOW,
                  describe("default_policy: allow of", "the mesh",
                           &model->mesh.loc));
    explainer_add(ex, COOKIE_DEFAULT, POLICY_RULE_HOST,
                  xstrdup("default: a host to its own containers"));
    explainer_add(ex, COOKIE_DEFAULT, POLICY_RULE_NAMES,
                  xstrdup("default: a container to its gateway's DNS"));
    explainer_add(ex, COOKIE_DEFAULT, POLICY_RULE_EXIT,
                  xstrdup("default: a container with an exit to the "
                          "internet"));
}

static void
explainer_add_object(struct explainer *ex, enum sn_object_kind kind,
                     char *name)
{
    struct sn_object *object = xzalloc(sizeof *object);

    object->kind = kind;
    object->id = sn_object_preferred_id(name);
    object->name = name;
    object_set_put(&ex->objects, object);
}

/* Whatever a container, rule or service may have; what there is not, nobody
 * asks for. */
static void
explainer_add_names(struct explainer *ex, const struct model *model)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &model->containers) {
        for (size_t i = 0; limits_of_container[i]; i++) {
            explainer_add_object(ex, SN_METER,
                                 xasprintf("container:%s:%s", node->name,
                                           limits_of_container[i]));
        }
    }
    SHASH_FOR_EACH (node, &model->acls) {
        explainer_add_object(ex, SN_METER, xasprintf("acl:%s", node->name));
    }
    SHASH_FOR_EACH (node, &model->services) {
        static const char *const ends[] = { "4", "6", "4/host", "6/host" };

        for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
            explainer_add_object(ex, SN_GROUP, xasprintf("service:%s/%s",
                                                         node->name,
                                                         ends[i]));
        }
    }
}

/* "identity of xray: segment:privacy tag:privacy". */
static char *
describe_identity(const struct policy_ident *ident)
{
    const char *names[4];
    const struct hmapx_node *node;
    struct ds s = DS_EMPTY_INITIALIZER;
    struct sset holders = SSET_INITIALIZER(&holders);
    size_t n = 0;

    HMAPX_FOR_EACH (node, &ident->holders) {
        const struct policy_container *pc = node->data;
        sset_add(&holders, pc->name);
    }
    const char **sorted = sset_sort(&holders);
    for (; n < sset_count(&holders) && n < ARRAY_SIZE(names); n++) {
        ds_put_format(&s, "%s%s", n ? ", " : " of ", sorted[n]);
    }
    if (n < sset_count(&holders)) {
        ds_put_format(&s, " and %"PRIuSIZE" more", sset_count(&holders) - n);
    }
    char *text = xasprintf("identity%s: %s", ds_cstr_ro(&s), ident->name);
    free(sorted);
    sset_destroy(&holders);
    ds_destroy(&s);
    return text;
}

static void
explainer_add_identities_of(struct explainer *ex, const struct model *model,
                            const char *node_name)
{
    struct compiler *c = compiler_create(node_name);
    struct flow_ports *ports = flow_ports_create();
    struct shash_node *node;

    compiler_run(c, model, ports, NULL, NULL);
    SHASH_FOR_EACH (node, &c->policy.idents) {
        const struct policy_ident *ident = node->data;

        if (!explainer_find(ex, cookie_make(COOKIE_IDENTITY, ident->id, 0))) {
            explainer_add(ex, COOKIE_IDENTITY, ident->id,
                          describe_identity(ident));
        }
    }
    flow_ports_destroy(ports);
    compiler_destroy(c);
}

/* Identities follow from the rules of the whole mesh: any node's compile has
 * them all, but those of a revoked node's containers, which that node alone
 * still knows. */
static void
explainer_add_identities(struct explainer *ex, const struct model *model)
{
    struct shash_node *snode;

    explainer_add_identities_of(ex, model, "");
    SHASH_FOR_EACH (snode, &model->nodes) {
        const struct model_node *node = snode->data;

        if (node->revoked) {
            explainer_add_identities_of(ex, model, node->name);
        }
    }
}

struct explainer *
explainer_create(const struct model *model)
{
    struct explainer *ex = xmalloc(sizeof *ex);

    hmap_init(&ex->meanings);
    object_set_init(&ex->objects);
    explainer_add_names(ex, model);
    explainer_add_builtin(ex, model);
    explainer_add_objects(ex, model);
    explainer_add_nodes(ex, model);
    explainer_add_identities(ex, model);
    return ex;
}

void
explainer_destroy(struct explainer *ex)
{
    struct meaning *m;

    if (ex) {
        HMAP_FOR_EACH_POP (m, node, &ex->meanings) {
            free(m->text);
            free(m);
        }
        hmap_destroy(&ex->meanings);
        object_set_destroy(&ex->objects);
        free(ex);
    }
}

char *
explainer_explain(const struct explainer *ex, uint64_t cookie)
{
    const struct meaning *m = cookie_is_ours(cookie)
                              ? explainer_find(ex, cookie) : NULL;
    const char *detail = sn_reason_text(cookie_detail(cookie));

    if (!m || !detail) {
        return NULL;
    }
    return detail[0] ? xasprintf("%s: %s", m->text, detail)
                     : xstrdup(m->text);
}

const char *
explainer_object(const struct explainer *ex, enum sn_object_kind kind,
                 uint32_t id)
{
    const struct sn_object *object = object_set_find(&ex->objects, kind, id);

    return object ? object->name : NULL;
}
