/* bench_guesses.c - what guesses bring: bench_guesses MODEL [TASK [ROUNDS [MOST [TOKENIZER [DRAFT]]]]]
 *
 * Answers that are dictated, so that every model gives the same and a round costs the same: prose that the prompt does not
 * have, an edit of a text in the prompt (names are changed in twelve places), JSON in the prompt that is repaired (in four).
 * Each token is drawn as any other and is then the one that the dictation allows, so that what is measured is the answer of
 * a model that says this; a format would be no good, as it gives what is forced without asking the model. With and without
 * guesses take turns; the medians of ROUNDS (5) are shown. TASK: prose, edit or json, else all; MOST: tokens of the dictation;
 * TOKENIZER: a model whose vocabulary is used, where MODEL has one that is made up; DRAFT: a smaller model that guesses, too.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/median.h"
#include "carat.h"

enum { MOST_ROUNDS = 25 };

static const char *const prose =
    "The harbour lies at the end of a road that nobody repairs any more. In spring the first boats come back from the "
    "islands, low in the water, and their crews stand about on the quay for an hour before they begin to unload, as if "
    "the "
    "land had to be learned again. Old Marten watches them from the bench in front of the chandler's shop. He has "
    "counted "
    "boats for forty years, first because it was his trade and later because he could not stop. Thirty-one this "
    "morning, "
    "he says to the dog, and two of them new. The dog has heard many numbers and does not lift its head. Towards noon "
    "the "
    "fog thins out, and behind the lighthouse the hills appear, brown and green and, where the heather was burnt, "
    "black. "
    "A girl on a bicycle brings the letters. There is one for him, with a foreign stamp, and he puts it into his coat "
    "without reading it, because a letter that is not yet opened may still say anything. When the church clock strikes "
    "twelve the quay empties. Only the gulls stay, and quarrel over what fell between the crates.";

static const char *const report =
    "Quarterly report of the northern warehouse. The northern warehouse handled 4,210 deliveries in the second "
    "quarter, "
    "which is 6 percent more than in the first. Anna Keller, who has led the team since March, reports that the new "
    "conveyor was taken into service on 3 April and has run without interruption since. The average time between the "
    "arrival of a lorry and the end of unloading fell from 47 to 39 minutes. Two of the older forklifts were sold; "
    "their "
    "replacement is expected in the third quarter. The northern warehouse had three accidents, none of them serious, "
    "and "
    "Anna Keller has asked for an additional training day in September. Energy costs rose by 2 percent because of the "
    "cold "
    "weeks in April, but the northern warehouse remains within its budget. The cooperation with the carriers was "
    "renewed "
    "for two years on unchanged terms. Anna Keller recommends that the opening hours on Saturdays be extended by two "
    "hours "
    "before the Christmas season, as the carriers have asked for, and that the northern warehouse take over the "
    "returns of "
    "the southern one from October on. A decision by the board is needed by the end of August.";

/* `in` with every `from` as `to`. */
static void replace(ct_buf *out, const char *in, const char *from, const char *to)
{
    ct_buf_clear(out);
    for (const char *at; (at = strstr(in, from)); in = at + strlen(from)) {
        ct_buf_add(out, in, (size_t)(at - in));
        ct_buf_str(out, to);
    }
    ct_buf_str(out, in);
}

/* A list of things; broken: commas and quotes are missing in four places. */
static void write_json(ct_buf *out, bool is_broken)
{
    static const char *const names[] = { "lamp",  "chair", "table", "carpet", "mirror",
                                         "shelf", "clock", "vase",  "desk",   "stool" };
    ct_buf_str(out, "{\n  \"warehouse\": \"north\",\n  \"items\": [\n");
    for (int i = 0; i < 8; i++) {
        const bool here = is_broken && i % 2 == 1;
        ct_buf_fmt(out,
                   "    {\"id\": %d%s \"name\": \"%s%s, \"price\": %d.%02d, \"stock\": %d, \"tags\": [\"home\", "
                   "\"sale\"]}%s\n",
                   1000 + 37 * i, here && i % 4 == 1 ? "" : ",", names[i % 10], here && i % 4 == 3 ? "" : "\"",
                   10 + 13 * i % 70, 7 * i % 100, i * i % 50, i < 7 ? "," : "");
    }
    ct_buf_str(out, "  ]\n}\n");
}

/* ---- a dictation ---- */

typedef struct dictation {
    int32_t *ids;
    size_t n, at, n_vocab;
} dictation;

static bool allows(void *state, int32_t id)
{
    const dictation *d = state;
    return d->at < d->n && d->ids[d->at] == id;
}

static void fill(void *state, uint32_t *bits)
{
    const dictation *d = state;
    memset(bits, 0, (d->n_vocab + 31) / 32 * sizeof *bits);
    if (d->at < d->n)
        bits[d->ids[d->at] / 32] |= UINT32_C(1) << d->ids[d->at] % 32;
}

static void accept(void *state, int32_t id)
{
    (void)id;
    ((dictation *)state)->at++;
}

/* ---- measuring ---- */

static carat_engine *engine;
static carat_tokenizer *other;
static size_t rounds = 5, most = 1000;
static const char *task = "all";

static void must(bool ok, const carat_err *e)
{
    if (!ok) {
        fprintf(stderr, "bench_guesses: %s\n", e->msg);
        exit(1);
    }
}

static void encode(const char *text, bool has_bos, int32_t **ids, size_t *n)
{
    carat_err e;
    const carat_tokenizer *t = other ? other : carat_engine_tokenizer(engine);
    must(carat_tokenizer_encode(t, text, strlen(text), has_bos ? CARAT_TOK_BOS : 0, ids, n, &e), &e);
}

static carat_result answer(const carat_prompt *p, dictation *d, bool guesses)
{
    carat_err e;
    carat_request *r;
    carat_result result = { 0 };
    d->at = 0;
    const carat_mask mask = { .struct_size = sizeof mask, .arg = d, .allows = allows, .fill = fill, .accept = accept };
    const carat_generation g = {
        .struct_size = sizeof g, .max_tokens = d->n, .ignores_eos = true, .mask = &mask, .omits_guesses = !guesses
    };
    const carat_request_options o = { .struct_size = sizeof o, .prompt = p, .generation = &g };
    must(carat_request_submit(engine, &o, &r, &e), &e);
    for (const carat_event *ev; (ev = carat_request_next(r, -1))->kind != CARAT_EVENT_END;) {
        if (ev->kind == CARAT_EVENT_FAILED)
            must(false, ev->err);
        if (ev->kind == CARAT_EVENT_ANSWER)
            result = *ev->result;
    }
    carat_request_free(r);
    if (d->at != d->n)
        must(false, &(carat_err){ .msg = "the answer is not what was dictated" });
    return result;
}

static void measure(const char *name, const char *asked, const char *said)
{
    if (strcmp(task, "all") != 0 && strcmp(task, name) != 0)
        return;
    double plain[MOST_ROUNDS], guessed[MOST_ROUNDS], ratio[MOST_ROUNDS];
    carat_prompt *p;
    carat_err e;
    int32_t *ids;
    size_t n;
    carat_result r = { 0 };
    dictation d = { .n_vocab = carat_engine_info(engine)->n_vocab };
    encode(asked, true, &ids, &n);
    encode(said, false, &d.ids, &d.n);
    d.n = d.n < most ? d.n : most;
    must(carat_prompt_ids(engine, ids, n, NULL, 0, NULL, &p, &e), &e);
    answer(p, &d, false); /* the prompt is read */
    for (size_t i = 0; i < rounds; i++) {
        r = answer(p, &d, false);
        plain[i] = (double)r.n_generated / r.seconds;
        r = answer(p, &d, true);
        guessed[i] = (double)r.n_generated / r.seconds;
        ratio[i] = guessed[i] / plain[i];
    }
    printf("%-12s %5zu %5zu  %7.1f %7.1f  %5.2f  %5zu of %zu\n", name, n, d.n, ct_median(plain, rounds),
           ct_median(guessed, rounds), ct_median(ratio, rounds), r.n_accepted, r.n_drafted);
    fflush(stdout);
    carat_prompt_free(p);
    carat_free(ids);
    carat_free(d.ids);
}

int main(int argc, char **argv)
{
    carat_err e;
    ct_buf asked, said, half;
    if (argc < 2) {
        fprintf(stderr, "bench_guesses MODEL [TASK [ROUNDS [MOST [TOKENIZER [DRAFT]]]]]\n");
        return 2;
    }
    task = argc > 2 ? argv[2] : task;
    rounds = argc > 3 ? strtoul(argv[3], NULL, 10) : rounds;
    most = argc > 4 ? strtoul(argv[4], NULL, 10) : most;
    rounds = rounds < 1 ? 1 : rounds > MOST_ROUNDS ? MOST_ROUNDS : rounds;
    const carat_options o = { .struct_size = sizeof o, .n_ctx = 4096, .draft = argc > 6 ? argv[6] : NULL };
    must(carat_engine_open(argv[1], &o, &engine, &e), &e);
    if (argc > 5 && *argv[5])
        must(carat_tokenizer_open(argv[5], &other, &e), &e);
    ct_buf_init(&asked, 1 << 20), ct_buf_init(&said, 1 << 20), ct_buf_init(&half, 1 << 20);
    printf("%s, %d threads, %s\n%-12s %5s %5s  %7s %7s  %5s  %s\n", carat_engine_info(engine)->path,
           carat_engine_threads(engine), carat_engine_isa(engine), "", "in", "out", "plain/s", "with/s", "ratio",
           "right");
    measure("prose", "Tell a story about a harbour.\n\n", prose);
    ct_buf_fmt(
        &asked,
        "Put the eastern depot and Maria Stein in the place of the northern warehouse and Anna Keller.\n\n%s\n\n",
        report);
    replace(&half, report, "northern warehouse", "eastern depot");
    ct_buf_char(&half, '\0');
    replace(&said, half.data, "Anna Keller", "Maria Stein");
    ct_buf_char(&said, '\0');
    measure("edit", asked.data, said.data);
    ct_buf_clear(&asked), ct_buf_clear(&said);
    ct_buf_str(&asked, "Repair this JSON.\n\n");
    write_json(&asked, true);
    ct_buf_str(&asked, "\n");
    ct_buf_char(&asked, '\0');
    write_json(&said, false);
    ct_buf_char(&said, '\0');
    measure("json", asked.data, said.data);
    ct_buf_deinit(&asked), ct_buf_deinit(&said), ct_buf_deinit(&half);
    carat_tokenizer_close(other);
    carat_engine_close(engine);
    return 0;
}
