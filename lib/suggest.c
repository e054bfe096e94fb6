#include <config.h>

#include "lib/suggest.h"

#include <ctype.h>
#include <string.h>
#include "util.h"

/* Longer words are not compared: a name is at most 63 characters. */
enum { MAX_WORD = 64 };

/* The number of insertions, deletions, replacements and swaps of neighbours
 * that turn 'a' into 'b', upper and lower case being the same. */
static size_t
edit_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t d[3][MAX_WORD + 1];

    for (size_t j = 0; j <= b_len; j++) {
        d[0][j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        size_t *row = d[i % 3];
        const size_t *up = d[(i + 2) % 3];
        const size_t *up2 = d[(i + 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            int ca = tolower((unsigned char) a[i - 1]);
            int cb = tolower((unsigned char) b[j - 1]);
            row[j] = MIN(up[j - 1] + (ca != cb),
                         1 + MIN(up[j], row[j - 1]));
            if (i > 1 && j > 1
                && ca == tolower((unsigned char) b[j - 2])
                && cb == tolower((unsigned char) a[i - 2])) {
                row[j] = MIN(row[j], up2[j - 2] + 1);
            }
        }
    }
    return d[a_len % 3][b_len];
}

void
suggest_init(struct suggest *s, const char *word)
{
    s->word = word;
    s->best = NULL;
    s->distance = 0;
}

void
suggest_offer(struct suggest *s, const char *candidate)
{
    size_t word_len = strlen(s->word);
    size_t len = strlen(candidate);

    if (word_len > MAX_WORD || len > MAX_WORD) {
        return;
    }
    size_t limit = MAX(word_len, len) <= 3 ? 1 : MAX(word_len, len) / 3 + 1;
    size_t distance = edit_distance(s->word, word_len, candidate, len);

    if (distance <= limit && strcmp(candidate, s->word)
        && (!s->best || distance < s->distance
            || (distance == s->distance && strcmp(candidate, s->best) < 0))) {
        s->best = candidate;
        s->distance = distance;
    }
}
