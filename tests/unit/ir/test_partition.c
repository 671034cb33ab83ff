// Partitions: against all cuts of small random problems, the costs of given cuts, and the number of stages.
#include "ir/partition.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

enum { STEPS = 12, WEIGHTS = 6, LINKS = 8 };

typedef struct Random {
    uint64_t state;
} Random;

static uint32_t below(Random *r, uint32_t n)
{
    r->state = r->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(r->state >> 33) % n;
}

typedef struct Small {
    PartitionProblem p;
    double seconds[STEPS];
    bool legal[STEPS + 1];
    uint64_t bytes[STEPS + 1], work[STEPS], weight_bytes[WEIGHTS];
    PartitionUse uses[4 * STEPS];
    PartitionLink links[LINKS];
} Small;

// Few different costs, so that ties are common.
static void make(Small *s, uint64_t seed)
{
    Random r = {seed};
    *s = (Small){.p = {.step_count = 1 + below(&r, STEPS), .weight_count = WEIGHTS, .base_bytes = below(&r, 50), .in_flight = below(&r, 3)}};
    PartitionProblem *p = &s->p;
    p->lanes = 1 + below(&r, 3);
    uint32_t fractions = 1 + below(&r, 3), density = 1 + below(&r, 4);
    for (uint32_t i = 0; i < p->step_count; i++) {
        s->seconds[i] = below(&r, 6) / (double)fractions;
        s->work[i] = below(&r, 20);
        for (uint32_t w = below(&r, density); w > 0; w--)
            s->uses[p->use_count++] = (PartitionUse){i, below(&r, WEIGHTS)}; // the same weight twice in a step, too
    }
    for (uint32_t i = 0; i <= p->step_count; i++) {
        s->legal[i] = below(&r, 4) != 0;
        s->bytes[i] = below(&r, 8);
    }
    for (uint32_t w = 0; w < WEIGHTS; w++)
        s->weight_bytes[w] = below(&r, 100);
    for (uint32_t i = 0; i < LINKS; i++)
        s->links[i] = (PartitionLink){below(&r, 3) / 4.0, 1 + below(&r, 8)};
    p->max_memory = below(&r, 3) ? 0 : 100 + below(&r, 300);
    p->links = below(&r, 2) ? s->links : NULL;
    p->seconds = s->seconds;
    p->legal = s->legal;
    p->bytes = s->bytes;
    p->work_bytes = s->work;
    p->uses = s->uses;
    p->weight_bytes = s->weight_bytes;
}

// Written down from the description, without what partition.c shares between stages.
static uint64_t memory_of(const PartitionProblem *p, uint32_t first, uint32_t end)
{
    uint64_t total = p->base_bytes + p->in_flight * (p->bytes[first] + p->bytes[end]), work = 0;
    bool counted[WEIGHTS] = {false};
    for (uint32_t u = 0; u < p->use_count; u++)
        if (p->uses[u].step >= first && p->uses[u].step < end && !counted[p->uses[u].weight]) {
            counted[p->uses[u].weight] = true;
            total += p->weight_bytes[p->uses[u].weight];
        }
    for (uint32_t i = first; i < end; i++)
        work = p->work_bytes[i] > work ? p->work_bytes[i] : work;
    return total + (uint64_t)((double)work * p->lanes);
}

static double seconds_of(const PartitionProblem *p, uint32_t first, uint32_t end, uint32_t at)
{
    double total = 0;
    for (uint32_t i = first; i < end; i++)
        total += p->seconds[i];
    total /= p->lanes;
    if (at && p->links)
        total += p->links[at - 1].seconds_per_message + (double)p->bytes[first] / p->links[at - 1].bytes_per_second;
    return total;
}

// Sums of the same numbers in another order: twelve roundings of 2^-53 each.
static bool close_to(double a, double b) { return fabs(a - b) <= 1e-14 * (1 + fabs(a)); }

typedef struct Found {
    bool any;
    double slowest; // as partition_given says
    uint64_t bytes;
} Found;

static void try_cuts(const PartitionProblem *p, uint32_t *cut, uint32_t stages, Found *best)
{
    Partition one;
    uint64_t bytes = 0;
    bool possible = true;
    for (uint32_t i = 0; i < stages; i++) {
        possible &= (i == 0 || p->legal[cut[i]]) && (!p->max_memory || memory_of(p, cut[i], cut[i + 1]) <= p->max_memory);
        bytes += i ? p->bytes[cut[i]] : 0;
    }
    assert_int_equal(partition_given(p, cut, stages, &one), possible ? ST_OK : ST_USAGE);
    if (!possible)
        return;
    double slowest = 0;
    for (uint32_t i = 0; i < stages; i++) {
        assert_true(one.memory[i] == memory_of(p, cut[i], cut[i + 1]));
        assert_true(close_to(one.seconds[i], seconds_of(p, cut[i], cut[i + 1], i)));
        slowest = one.seconds[i] > slowest ? one.seconds[i] : slowest;
    }
    assert_true(one.slowest == slowest);
    if (!best->any || slowest < best->slowest || (slowest == best->slowest && bytes < best->bytes))
        *best = (Found){true, slowest, bytes};
}

static void all_cuts(const PartitionProblem *p, uint32_t *cut, uint32_t at, uint32_t stages, Found *best)
{
    if (at == stages) {
        cut[stages] = p->step_count;
        try_cuts(p, cut, stages, best);
        return;
    }
    for (uint32_t c = cut[at - 1] + 1; c < p->step_count; c++) {
        cut[at] = c;
        all_cuts(p, cut, at + 1, stages, best);
    }
}

static Found brute_force(const PartitionProblem *p, uint32_t stages)
{
    uint32_t cut[LINKS + 2] = {0};
    Found best = {false, 0, 0};
    all_cuts(p, cut, 1, stages, &best);
    return best;
}

static void test_against_all_cuts(void **state)
{
    (void)state;
    int solved = 0, refused = 0;
    for (uint64_t seed = 1; seed <= 600; seed++) {
        Small s;
        make(&s, seed);
        for (uint32_t stages = 1; stages <= 4; stages++) {
            Partition out;
            Found best = brute_force(&s.p, stages);
            Status status = partition_best(&s.p, stages, &out);
            if (status != (best.any ? ST_OK : ST_USAGE))
                fail_msg("seed %d, %u stages: %s", (int)seed, stages, status_message());
            refused += !best.any;
            if (!best.any)
                continue;
            solved++;
            Partition same;
            assert_int_equal(out.stages, stages);
            assert_int_equal(partition_given(&s.p, out.cut, stages, &same), ST_OK);
            uint64_t bytes = 0;
            for (uint32_t i = 1; i < stages; i++)
                bytes += s.bytes[out.cut[i]];
            if (out.slowest != best.slowest || bytes != best.bytes || same.slowest != out.slowest)
                fail_msg("seed %d, %u stages: %.17g s and %d bytes instead of %.17g s and %d", (int)seed, stages, out.slowest, (int)bytes, best.slowest, (int)best.bytes);
        }
    }
    assert_true(solved > 800 && refused > 400); // both happen often
}

static void test_choose(void **state)
{
    (void)state;
    int deep = 0;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        Small s;
        make(&s, seed);
        uint32_t ranks = 1 + (uint32_t)seed % 5, lines = 0;
        if (seed % 3)
            s.p.max_memory = 1 + memory_of(&s.p, 0, s.p.step_count) * (50 + seed % 50) / 100;
        Partition of[6], out;
        double fastest = 0;
        for (uint32_t k = 1; k <= ranks; k++) {
            PartitionLink links[LINKS];
            PartitionProblem one = s.p;
            for (uint32_t b = 0; b + 1 < k; b++) {
                links[b] = s.links[b];
                for (uint32_t rank = b; rank < ranks / k * k; rank += k) {
                    links[b].seconds_per_message = fmax(links[b].seconds_per_message, s.links[rank].seconds_per_message);
                    links[b].bytes_per_second = fmin(links[b].bytes_per_second, s.links[rank].bytes_per_second);
                }
            }
            one.links = s.p.links ? links : NULL;
            of[k] = (Partition){0};
            if (partition_best(&one, k, &of[k]) == ST_OK)
                fastest = fmax(fastest, (ranks / k) / of[k].slowest);
        }
        uint32_t expected = 0;
        for (uint32_t k = ranks; k >= 1; k--)
            if (of[k].stages && (ranks / k) / of[k].slowest >= 0.98 * fastest)
                expected = k;
        Status status = partition_choose(&s.p, ranks, &out, &lines);
        assert_int_equal(status, expected ? ST_OK : ST_USAGE);
        if (!expected)
            continue;
        deep += expected > 1;
        assert_int_equal(out.stages, expected);
        assert_int_equal(lines, ranks / expected);
        assert_memory_equal(out.cut, of[expected].cut, (expected + 1) * sizeof *out.cut);
        assert_true(out.slowest == of[expected].slowest);
    }
    assert_true(deep > 50); // memory makes pipelines necessary
}

static void test_example(void **state)
{
    // Four equal steps; the first two share a weight, and behind the second little travels.
    (void)state;
    static const double seconds[] = {1, 1, 1, 1};
    static const bool legal[] = {true, true, true, true, true};
    static const uint64_t bytes[] = {8, 8, 2, 8, 8}, work[] = {0, 10, 0, 0}, weights[] = {100, 50};
    static const PartitionUse uses[] = {{0, 0}, {1, 0}, {3, 1}};
    static const PartitionLink links[] = {{0.5, 4}, {0.5, 4}, {0.5, 4}};
    PartitionProblem p = {.step_count = 4, .seconds = seconds, .legal = legal, .bytes = bytes, .work_bytes = work, .uses = uses, .use_count = 3, .weight_bytes = weights,
                          .weight_count = 2, .base_bytes = 1000, .lanes = 2, .in_flight = 3, .links = links};
    Partition out;
    uint32_t lines;
    assert_int_equal(partition_best(&p, 2, &out), ST_OK);
    assert_int_equal(out.cut[1], 2);
    assert_true(out.seconds[0] == 1 && out.seconds[1] == 1 + 0.5 + 2 / 4.0 && out.slowest == 2);
    assert_true(out.memory[0] == 1000 + 100 + 2 * 10 + 3 * (8 + 2) && out.memory[1] == 1000 + 50 + 3 * (2 + 8));
    // Cuts cost time and save none of the work: data parallelism is best where it fits.
    assert_int_equal(partition_choose(&p, 4, &out, &lines), ST_OK);
    assert_true(out.stages == 1 && lines == 4);
    assert_int_equal(partition_choose(&p, 1, &out, &lines), ST_OK);
    assert_true(out.stages == 1 && lines == 1);
    p.max_memory = out.memory[0] - 1;
    assert_int_equal(partition_choose(&p, 5, &out, &lines), ST_OK);
    assert_true(out.stages == 2 && lines == 2);
    assert_int_equal(partition_choose(&p, 1, &out, &lines), ST_USAGE);
    assert_string_equal(status_message(), "the model does not fit into 1 stage of at most 0.0 MiB each: raise the limit or take more processes");
}

static void test_refusals(void **state)
{
    (void)state;
    static const double seconds[] = {1, 1, 1, 1};
    bool legal[] = {false, false, true, false, false};
    static const uint64_t bytes[5], work[] = {0, (uint64_t)3 << 20, 0, 0};
    PartitionProblem p = {.step_count = 4, .seconds = seconds, .legal = legal, .bytes = bytes, .work_bytes = work, .lanes = 1};
    Partition out;
    assert_int_equal(partition_best(&p, 3, &out), ST_USAGE);
    assert_string_equal(status_message(), "no 3 stages: the model has 4 operations and 1 legal cuts between them (limit 256 stages)");
    assert_int_equal(partition_best(&p, 0, &out), ST_USAGE);
    assert_int_equal(partition_best(&p, PARTITION_MAX_STAGES + 1, &out), ST_USAGE);
    p.max_memory = (uint64_t)2 << 20;
    uint32_t lines;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(i ? partition_choose(&p, 8, &out, &lines) : partition_best(&p, 2, &out), ST_USAGE);
        assert_string_equal(status_message(), "operations 1 to 2 of 4, which no cut divides, need 3.0 MiB in one process, more than the limit of 2.0 MiB");
        assert_true(out.stages == 0 && out.cut[0] == 0 && out.cut[1] == 2);
    }
    p.max_memory = 0;
    assert_int_equal(partition_given(&p, (const uint32_t[]){0, 2, 4}, 2, &out), ST_OK);
    assert_int_equal(partition_given(&p, (const uint32_t[]){0, 1, 4}, 2, &out), ST_USAGE);
    assert_string_equal(status_message(), "no cut is possible behind operation 1");
    assert_int_equal(partition_given(&p, (const uint32_t[]){0, 2, 2, 4}, 3, &out), ST_USAGE);
    assert_int_equal(partition_given(&p, (const uint32_t[]){0, 1000000, 4}, 2, &out), ST_USAGE);
    assert_int_equal(partition_given(&p, (const uint32_t[]){0, 2, 3}, 2, &out), ST_USAGE);
    p.step_count = 0;
    assert_int_equal(partition_choose(&p, 8, &out, &lines), ST_USAGE);
    // Numbers that are too large for the sum do not wrap.
    p.step_count = 4;
    p.base_bytes = UINT64_MAX - 1;
    p.max_memory = UINT64_MAX - 1;
    assert_int_equal(partition_best(&p, 1, &out), ST_USAGE);
}

enum { LARGE = 4000 };

static void test_large(void **state)
{
    (void)state;
    static double seconds[LARGE];
    static bool legal[LARGE + 1];
    static uint64_t bytes[LARGE + 1], work[LARGE], weight_bytes[LARGE];
    static PartitionUse uses[LARGE];
    static PartitionLink links[PARTITION_MAX_STAGES];
    Random r = {7};
    uint64_t weights = 0;
    for (uint32_t i = 0; i < LARGE; i++) {
        seconds[i] = 1 + below(&r, 1000) / 100.0;
        legal[i] = true;
        bytes[i] = below(&r, 1000);
        work[i] = below(&r, 1000);
        uses[i] = (PartitionUse){i, i};
        weights += weight_bytes[i] = below(&r, 1000);
    }
    for (uint32_t i = 0; i < PARTITION_MAX_STAGES; i++)
        links[i] = (PartitionLink){0.01, 1e6};
    PartitionProblem p = {.step_count = LARGE, .seconds = seconds, .legal = legal, .bytes = bytes, .work_bytes = work, .uses = uses, .use_count = LARGE,
                          .weight_bytes = weight_bytes, .weight_count = LARGE, .lanes = 4, .in_flight = 5, .links = links};
    double total = 0;
    for (uint32_t i = 0; i < LARGE; i++)
        total += seconds[i] / p.lanes;
    for (uint32_t k = 1; k <= PARTITION_MAX_STAGES; k *= 2) {
        Partition out;
        assert_int_equal(partition_best(&p, k, &out), ST_OK);
        // No better than an even share, and worse by no more than one step and one transfer.
        assert_true(out.slowest >= total / k * (1 - 1e-12) && out.slowest <= total / k + 11 / p.lanes + 0.02);
    }
    p.max_memory = weights / 40;
    Partition out;
    uint32_t lines;
    assert_int_equal(partition_choose(&p, 256, &out, &lines), ST_OK);
    assert_true(out.stages > 40 && lines == 256 / out.stages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_all_cuts), cmocka_unit_test(test_choose), cmocka_unit_test(test_example), cmocka_unit_test(test_refusals), cmocka_unit_test(test_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
