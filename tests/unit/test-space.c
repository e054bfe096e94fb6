#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "flows/space.h"
#include "random.h"
#include "util.h"

/* Sets of ten bits, against bitmaps that have a bit for each element. */

enum { N_BITS = 10, N_ELEMENTS = 1 << N_BITS, N_SETS = 400, N_PLACES = 80 };

/* Where the ten are among those of the space: one after the other, apart, and
 * across the ends of the blocks that a space has inside. */
static const uint16_t places[][N_BITS] = {
    { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 },
    { 27, 28, 29, 30, 31, 32, 33, 34, 35, 36 },
    { 0, 3, 4, 30, 31, 32, 40, 62, 63, 64 },
};
static const uint16_t *place = places[0];

struct pair {
    space_set set;
    bool has[N_ELEMENTS];
};

static void
element_to_bits(int element, bool *bits)
{
    memset(bits, 0, N_PLACES * sizeof *bits);
    for (int i = 0; i < N_BITS; i++) {
        bits[place[i]] = (element >> i) & 1;
    }
}

static void
check(struct space *s, const struct pair *p)
{
    bool bits[N_PLACES], any = false, all = true;

    for (int i = 0; i < N_ELEMENTS; i++) {
        element_to_bits(i, bits);
        assert_int_equal(space_contains(s, p->set, bits), p->has[i]);
        any |= p->has[i];
        all &= p->has[i];
    }
    assert_int_equal(p->set == SPACE_NONE, !any);
    assert_int_equal(p->set == SPACE_ALL, all);
    if (any) {
        int element = 0;

        space_pick(s, p->set, bits);
        for (int i = 0; i < N_BITS; i++) {
            element |= bits[place[i]] << i;
        }
        assert_true(p->has[element]);
    }
}

static void
make_cube(struct space *s, struct pair *p)
{
    struct space_literal literals[N_BITS];
    bool bits[N_PLACES];
    size_t n = 0;

    for (int i = 0; i < N_BITS; i++) {
        if (random_range(3)) {
            literals[n++] = (struct space_literal) {
                place[i], random_range(2),
            };
        }
    }
    p->set = space_cube(s, literals, n);
    for (int i = 0; i < N_ELEMENTS; i++) {
        element_to_bits(i, bits);
        p->has[i] = true;
        for (size_t j = 0; j < n; j++) {
            p->has[i] &= bits[literals[j].bit] == literals[j].value;
        }
    }
}

static void
combine(struct space *s, const struct pair *a, const struct pair *b,
        struct pair *p)
{
    int op = random_range(3);
    bool meets = false, includes = true;

    p->set = (op == 0 ? space_and(s, a->set, b->set)
              : op == 1 ? space_or(s, a->set, b->set)
              : space_minus(s, a->set, b->set));
    for (int i = 0; i < N_ELEMENTS; i++) {
        p->has[i] = (op == 0 ? a->has[i] && b->has[i]
                     : op == 1 ? a->has[i] || b->has[i]
                     : a->has[i] && !b->has[i]);
        meets |= a->has[i] && b->has[i];
        includes &= a->has[i] || !b->has[i];
    }
    assert_int_equal(space_meets(s, a->set, b->set), meets);
    assert_int_equal(space_includes(s, a->set, b->set), includes);
}

static void
project(struct space *s, const struct pair *a, struct pair *p)
{
    uint8_t fates[N_PLACES] = { SPACE_KEEP };

    for (int i = 0; i < N_BITS; i++) {
        fates[place[i]] = random_range(4) ? SPACE_KEEP : random_range(4);
    }
    p->set = space_project(s, a->set, fates);
    for (int i = 0; i < N_ELEMENTS; i++) {
        p->has[i] = false;
        for (int j = 0; j < N_ELEMENTS && !p->has[i]; j++) {
            bool same = true;

            for (int k = 0; k < N_BITS; k++) {
                bool was = (j >> k) & 1, is = (i >> k) & 1;

                enum space_fate fate = fates[place[k]];

                same &= (fate == SPACE_KEEP ? was == is
                         : fate == SPACE_EITHER
                           || was == (fate == SPACE_ONE));
            }
            p->has[i] = same && a->has[j];
        }
    }
}

static void
check_algebra(uint16_t n_bits)
{
    struct space *s = space_create(n_bits);
    struct pair *pairs = xcalloc(N_SETS, sizeof *pairs);

    random_set_seed(1);
    for (int i = 0; i < N_SETS; i++) {
        int what = i < 40 ? 0 : random_range(8);

        if (!what) {
            make_cube(s, &pairs[i]);
        } else if (what == 1) {
            project(s, &pairs[random_range(i)], &pairs[i]);
        } else {
            combine(s, &pairs[random_range(i)], &pairs[random_range(i)],
                    &pairs[i]);
        }
        check(s, &pairs[i]);
        /* Equal sets are one. */
        for (int j = 0; j < i; j++) {
            assert_int_equal(pairs[i].set == pairs[j].set,
                             !memcmp(pairs[i].has, pairs[j].has,
                                     sizeof pairs[i].has));
        }
    }
    free(pairs);
    space_destroy(s);
}

static void
test_algebra(void **state OVS_UNUSED)
{
    check_algebra(N_BITS);
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        place = places[i];
        check_algebra(N_PLACES);
    }
    place = places[0];
}

static void
test_union(void **state OVS_UNUSED)
{
    struct space *s = space_create(N_BITS);

    random_set_seed(2);
    for (int n = 0; n < 20; n++) {
        space_set sets[20], one = SPACE_NONE;
        struct pair cube;

        for (int i = 0; i < n; i++) {
            make_cube(s, &cube);
            sets[i] = cube.set;
            one = space_or(s, one, cube.set);
        }
        assert_int_equal(space_union(s, sets, n), one);
    }
    space_destroy(s);
}

/* More nodes than there is room for at first. */
static void
test_growth(void **state OVS_UNUSED)
{
    enum { N = 24, N_CUBES = 3000 };
    struct space *s = space_create(N);
    struct space_literal literals[N_CUBES][N];
    space_set set = SPACE_NONE;

    random_set_seed(3);
    for (int i = 0; i < N_CUBES; i++) {
        for (int j = 0; j < N; j++) {
            literals[i][j] = (struct space_literal) { j, random_range(2) };
        }
        set = space_or(s, set, space_cube(s, literals[i], N));
    }
    for (int i = 0; i < N_CUBES; i++) {
        assert_true(space_includes(s, set, space_cube(s, literals[i], N)));
        set = space_minus(s, set, space_cube(s, literals[i], N));
    }
    assert_int_equal(set, SPACE_NONE);
    space_destroy(s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_algebra),
        cmocka_unit_test(test_union),
        cmocka_unit_test(test_growth),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
