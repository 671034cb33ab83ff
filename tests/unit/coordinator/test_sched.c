// The scheduler: every batch is accepted exactly once, whatever happens to the workers; leases shrink; policies hold.
// The random simulation draws worker speeds, losses and repeated reports from a fixed generator.
#include "coordinator/sched.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t random_state;

static uint32_t draw(uint32_t below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((random_state >> 33) % below);
}

static Sched *make(SchedOptions options)
{
    Sched *s = NULL;
    assert_int_equal(sched_new(&options, &s), ST_OK);
    return s;
}

static void test_leases_shrink(void **state)
{
    (void)state;
    Sched *s = make((SchedOptions){.batches = 1000, .workers = 4});
    sched_settle(s);
    int64_t next = 0, last = INT64_MAX;
    int leases = 0;
    for (Lease l; sched_request(s, leases % 4, 1, &l) == SCHED_LEASE; leases++) {
        assert_true(l.first == next);
        assert_true(l.count >= 1 && l.count <= last);
        next += l.count;
        last = l.count;
    }
    assert_true(next == 1000);
    assert_true(last == 1);
    assert_true(leases > 20 && leases < 100);
    sched_free(s);
}

static void test_small_until_settled(void **state)
{
    (void)state;
    Sched *s = make((SchedOptions){.batches = 100, .workers = 2});
    Lease l;
    assert_int_equal(sched_request(s, 0, 2, &l), SCHED_LEASE);
    assert_int_equal(l.count, 2);
    assert_int_equal(sched_request(s, 1, 3, &l), SCHED_LEASE);
    assert_int_equal(l.count, 3);
    assert_int_equal(sched_request(s, 1, 3, &l), SCHED_WAIT);
    int64_t want;
    assert_int_equal(sched_next_waiting(s, &want), -1);
    // Worker 0, whose first batches both failed and were skipped, may go on looking for a result.
    assert_int_equal(sched_request(s, 0, 2, &l), SCHED_WAIT);
    sched_done(s, 0, 0, 0, 0);
    sched_done(s, 0, 1, 0, 0);
    assert_int_equal(sched_next_waiting(s, &want), 0);
    assert_int_equal(want, 2);
    assert_int_equal(sched_request(s, 0, 2, &l), SCHED_LEASE);
    sched_settle(s);
    assert_int_equal(sched_next_waiting(s, &want), 1);
    assert_int_equal(sched_request(s, 1, 3, &l), SCHED_LEASE);
    assert_true(l.count > 3);
    sched_free(s);
}

static void test_resume_skips_what_is_done(void **state)
{
    (void)state;
    uint8_t map[10] = {1, 0, 0, 1, 1, 0, 1, 0, 0, 2};
    Sched *s = make((SchedOptions){.batches = 10, .map = map, .workers = 1});
    sched_settle(s);
    assert_int_equal(sched_done_count(s), 5);
    int order[5], n = 0;
    for (Lease l; n < 5;) {
        assert_int_equal(sched_request(s, 0, 1, &l), SCHED_LEASE);
        for (int64_t b = l.first; b < l.first + l.count; b++) {
            order[n++] = (int)b;
            assert_true(sched_done(s, 0, b, 0, 0));
        }
    }
    static const int expected[5] = {1, 2, 5, 7, 8};
    assert_memory_equal(order, expected, sizeof expected);
    assert_true(sched_finished(s));
    sched_free(s);
    memset(map, 1, sizeof map);
    s = make((SchedOptions){.batches = 10, .map = map, .workers = 1});
    Lease l;
    assert_true(sched_finished(s));
    assert_int_equal(sched_request(s, 0, 1, &l), SCHED_NOTHING);
    sched_free(s);
}

static void test_in_order_is_worker_0_only(void **state)
{
    (void)state;
    Sched *s = make((SchedOptions){.batches = 30, .workers = 3, .in_order = true});
    sched_settle(s);
    Lease l;
    int64_t next = 0;
    assert_int_equal(sched_request(s, 1, 1, &l), SCHED_NOTHING);
    while (sched_request(s, 0, 1, &l) == SCHED_LEASE) {
        assert_true(l.first == next);
        next += l.count;
    }
    assert_true(next == 30);
    sched_free(s);
}

static void test_error_policies(void **state)
{
    (void)state;
    Lease l;
    Sched *s = make((SchedOptions){.batches = 10, .workers = 1});
    sched_settle(s);
    sched_request(s, 0, 1, &l);
    sched_failed(s, 0, l.first);
    assert_true(sched_stopped(s));
    assert_int_equal(sched_request(s, 0, 1, &l), SCHED_NOTHING);
    sched_free(s);

    s = make((SchedOptions){.batches = 10, .workers = 1, .skip_errors = true, .max_errors = 2});
    sched_settle(s);
    for (int64_t b = 0; b < 3;) {
        assert_int_equal(sched_request(s, 0, 1, &l), SCHED_LEASE);
        for (; b < l.first + l.count && b < 3; b++) {
            assert_false(sched_stopped(s));
            assert_true(sched_done(s, 0, b, 1, 0));
        }
    }
    assert_true(sched_too_many_errors(s));
    assert_int_equal(sched_error_count(s), 3);
    sched_free(s);
}

static void test_reports_count_once(void **state)
{
    (void)state;
    Sched *s = make((SchedOptions){.batches = 8, .workers = 2});
    sched_settle(s);
    Lease l;
    sched_request(s, 0, 2, &l);
    assert_true(sched_done(s, 0, l.first, 0, 0));
    assert_false(sched_done(s, 0, l.first, 0, 0));     // repeated
    assert_false(sched_done(s, 1, l.first + 1, 0, 0)); // not its batch
    assert_false(sched_done(s, 0, 99, 0, 0));          // no such batch
    assert_false(sched_done(s, 0, -1, 0, 0));
    sched_lost(s, 0);
    assert_false(sched_done(s, 0, l.first + 1, 0, 0)); // too late
    assert_int_equal(sched_done_count(s), 1);
    sched_free(s);
}

static void test_lease_is_worth_its_messages(void **state)
{
    (void)state;
    Sched *s = make((SchedOptions){.batches = 10000, .workers = 100, .lease_seconds = 0.05});
    sched_settle(s);
    Lease l;
    sched_request(s, 0, 1, &l);
    sched_done(s, 0, l.first, 0, 0.001);
    while (sched_request(s, 1, 1, &l) == SCHED_LEASE && l.first < 9000)
        ;
    sched_request(s, 0, 1, &l);
    assert_true(l.count >= 2); // 50 would take 50 ms, but 100 workers share fewer than 1000
    sched_free(s);
}

enum { SIM_WORKERS = 2000, SIM_BATCHES = 30000 };

typedef struct SimWorker {
    int64_t held[64 * 1024 / 8];
    int count, speed;
    bool idle, lost, over;
} SimWorker;

static void take(Sched *s, SimWorker *w, int id)
{
    Lease l;
    switch (sched_request(s, id, 1 + (uint32_t)w->speed % 4, &l)) {
    case SCHED_LEASE:
        w->idle = false;
        for (int64_t b = l.first; b < l.first + l.count; b++)
            w->held[w->count++] = b;
        break;
    case SCHED_WAIT:
        w->idle = true;
        break;
    case SCHED_NOTHING:
        w->over = true;
        break;
    }
}

// Workers of speeds 1 to 8 batches a round; some are lost, some report twice; order inside a worker is random.
static void simulate(uint64_t seed, int workers, int64_t batches, int losses)
{
    random_state = seed;
    Sched *s = make((SchedOptions){.batches = batches, .workers = workers});
    SimWorker *w = calloc((size_t)workers, sizeof *w);
    uint8_t *accepted = calloc((size_t)batches, 1);
    assert_non_null(w);
    assert_non_null(accepted);
    for (int i = 0; i < workers; i++) {
        w[i].speed = 1 + (int)draw(8);
        take(s, &w[i], i);
    }
    bool settled = false;
    int64_t rounds = 0;
    for (; !sched_finished(s); rounds++) {
        assert_true(rounds < 50 * batches / workers + 5000);
        assert_false(sched_stopped(s));
        for (int i = 0; i < workers; i++) {
            if (w[i].lost || w[i].over)
                continue;
            if (losses > 0 && workers > 1 && draw(500) == 0 && i > 0) {
                sched_lost(s, i);
                w[i].lost = true;
                losses--;
                continue;
            }
            for (int k = 0; k < w[i].speed && w[i].count > 0; k++) {
                int at = (int)draw((uint32_t)w[i].count);
                int64_t b = w[i].held[at];
                w[i].held[at] = w[i].held[--w[i].count];
                if (sched_done(s, i, b, 0, 0.001 * w[i].speed))
                    assert_int_equal(accepted[b]++, 0);
                else
                    fail_msg("a first report of batch %d was refused", (int)b);
                if (draw(50) == 0)
                    assert_false(sched_done(s, i, b, 0, 0));
                if (!settled && i == 0) {
                    sched_settle(s);
                    settled = true;
                }
            }
            if (!w[i].idle && w[i].count <= w[i].speed)
                take(s, &w[i], i);
        }
        int64_t want;
        for (int i; (i = sched_next_waiting(s, &want)) >= 0;)
            take(s, &w[i], i);
    }
    for (int64_t b = 0; b < batches; b++)
        assert_int_equal(accepted[b], 1);
    for (int i = 0; i < workers; i++)
        assert_true(w[i].lost || sched_outstanding(s, i) == 0);
    free(accepted);
    free(w);
    sched_free(s);
}

static void test_simulation(void **state)
{
    (void)state;
    simulate(1, SIM_WORKERS, SIM_BATCHES, 300);
    for (uint64_t seed = 2; seed < 30; seed++)
        simulate(seed, 1 + (int)(seed * 7 % 40), 1 + (int64_t)(seed * 131 % 2000), (int)(seed % 20));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leases_shrink),
        cmocka_unit_test(test_small_until_settled),
        cmocka_unit_test(test_resume_skips_what_is_done),
        cmocka_unit_test(test_in_order_is_worker_0_only),
        cmocka_unit_test(test_error_policies),
        cmocka_unit_test(test_reports_count_once),
        cmocka_unit_test(test_lease_is_worth_its_messages),
        cmocka_unit_test(test_simulation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
