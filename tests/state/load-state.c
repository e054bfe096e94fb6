/* load-state [--node=NAME] [--yaml | --again | --schema] PATH
 *
 * Loads a state file and prints what was found; --yaml also prints the model
 * as YAML; --again checks that this loads to an equal model; --schema prints
 * the JSON Schema of state files. */

#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/diag.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/util.h"
#include "state/load.h"
#include "state/model.h"
#include "state/schema.h"

static void
clear_locs(struct model *model)
{
    const struct sn_loc none = { .file = NULL };
    struct shash_node *node;

    model->mesh.loc = none;
    SHASH_FOR_EACH (node, &model->nodes) {
        ((struct model_node *) node->data)->loc = none;
    }
    SHASH_FOR_EACH (node, &model->exits) {
        ((struct model_exit *) node->data)->loc = none;
    }
    SHASH_FOR_EACH (node, &model->containers) {
        ((struct model_container *) node->data)->loc = none;
    }
    SHASH_FOR_EACH (node, &model->segments) {
        ((struct model_segment *) node->data)->loc = none;
    }
    SHASH_FOR_EACH (node, &model->acls) {
        ((struct model_acl *) node->data)->loc = none;
    }
    SHASH_FOR_EACH (node, &model->raw_flows) {
        ((struct model_raw_flow *) node->data)->loc = none;
    }
    SHASH_FOR_EACH (node, &model->services) {
        ((struct model_service *) node->data)->loc = none;
    }
    SHASH_FOR_EACH (node, &model->clients) {
        ((struct model_client *) node->data)->loc = none;
    }
}

/* Whether 'model' as YAML loads to the same, and to the same YAML. */
static bool
load_again(struct model *model)
{
    struct model_changes changes;
    struct diags diags;
    bool equal = false;

    diags_init(&diags);
    model_changes_init(&changes);
    char *yaml = state_to_yaml(model);
    struct model *again = state_load_string(yaml, "again.yaml", NULL, &diags);
    if (again) {
        clear_locs(model);
        clear_locs(again);
        model_diff(model, again, &changes);
        char *yaml2 = state_to_yaml(again);
        equal = model_changes_is_empty(&changes) && !strcmp(yaml, yaml2);
        free(yaml2);
    } else {
        diags_print(&diags, stdout);
    }
    if (!equal) {
        puts("not equal");
        for (size_t i = 0; i < MODEL_N_KINDS; i++) {
            const char *key;
            SSET_FOR_EACH (key, &changes.keys[i]) {
                printf("%s \"%s\" differs\n", model_kind_to_string(i), key);
            }
        }
        fputs(yaml, stdout);
    }
    free(yaml);
    model_changes_destroy(&changes);
    diags_destroy(&diags);
    model_destroy(again);
    return equal;
}

int
main(int argc, char *argv[])
{
    const char *node = NULL;
    bool yaml = false, again = false;
    struct diags diags;

    for (int i = 1; i < argc - 1; i++) {
        if (!strncmp(argv[i], "--node=", 7)) {
            node = argv[i] + 7;
        }
        yaml |= !strcmp(argv[i], "--yaml");
        again |= !strcmp(argv[i], "--again");
    }
    if (argc < 2) {
        return 2;
    } else if (!strcmp(argv[1], "--schema")) {
        struct json *json = schema_to_json();
        char *s = json_to_string(json, JSSF_PRETTY | JSSF_SORT);
        puts(s);
        free(s);
        json_destroy(json);
        return 0;
    }

    diags_init(&diags);
    struct model *model = state_load(argv[argc - 1], node, &diags);
    bool ok = model != NULL;
    diags_print(&diags, stdout);
    if (model && yaml) {
        char *s = state_to_yaml(model);
        fputs(s, stdout);
        free(s);
    }
    if (model && again) {
        ok = load_again(model);
    }
    model_destroy(model);
    diags_destroy(&diags);
    return ok ? 0 : 1;
}
