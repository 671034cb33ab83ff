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

static void test_runs_of_batches(void **state)
{
    (void)state;
    Sched *s = make((SchedOptions){.batches = 100, .workers = 2});
    sched_settle(s);
    Lease a, b;
    sched_request(s, 0, 10, &a); // 0 …
    sched_request(s, 1, 10, &b);
    assert_int_equal(sched_done_run(s, 0, 3, 2, 0.01), 2);
    assert_int_equal(sched_done_run(s, 0, 0, a.count + b.count, 0.01), a.count - 2); // neither again nor those of worker 1
    assert_int_equal(sched_outstanding(s, 0), 0);
    assert_int_equal(sched_outstanding(s, 1), b.count);
    assert_int_equal(sched_done_run(s, 1, b.first + b.count - 1, INT64_MAX, 0.01), 1); // no overflow
    assert_int_equal(sched_done_run(s, 1, INT64_MIN, INT64_MAX, 0.01), 0);
    assert_int_equal(sched_done_run(s, 1, b.first, -1, 0.01), 0);
    assert_int_equal(sched_done_count(s), a.count + 1);
    assert_true(sched_is_done(s, 0) && !sched_is_done(s, b.first));
    sched_free(s);
}

// Two workers, one three times as fast: its leases are three times as large, also the first one after it was measured.
static void test_leases_by_speed(void **state)
{
    (void)state;
    Sched *s = make((SchedOptions){.batches = 120000, .workers = 2, .message_seconds = 1e-6});
    sched_settle(s);
    Lease slow, fast;
    sched_request(s, 0, 1, &slow);
    sched_request(s, 1, 1, &fast);
    assert_int_equal(slow.count, 120000 / 2 / 16); // not measured yet
    assert_int_equal(fast.count, slow.count);
    sched_done_run(s, 0, slow.first, slow.count, 0.003);
    sched_done_run(s, 1, fast.first, fast.count, 0.001);
    sched_request(s, 0, 1, &slow);
    sched_request(s, 1, 1, &fast);
    assert_true(fast.count >= 3 * slow.count - 2 && fast.count <= 3 * slow.count + 3);
    assert_true(slow.count * 0.003 <= 2.01); // the longest lease of few workers
    sched_free(s);

    // The speed of a worker that is lost no longer counts: the other one's share is all that is free.
    s = make((SchedOptions){.batches = 3000, .workers = 2});
    sched_settle(s);
    for (int i = 0; i < 2; i++) {
        sched_request(s, i, 1, &slow);
        sched_done_run(s, i, slow.first, slow.count, i ? 0.001 : 0.003);
    }
    sched_lost(s, 1);
    int64_t left = 3000 - sched_done_count(s);
    sched_request(s, 0, 1, &slow);
    assert_true(slow.count >= left / 3 - 1 && slow.count <= left / 3 + 1);
    sched_free(s);
}

// Batches of 15 µs, one of which was held up for 10 ms, at the end: the worker is 10 % slower, not a hundred times.
static void test_one_slow_batch_says_little(void **state)
{
    (void)state;
    Sched *s = make((SchedOptions){.batches = 60000, .workers = 2});
    sched_settle(s);
    Lease l[2];
    for (int i = 0; i < 2; i++) {
        sched_request(s, i, 1, &l[i]);
        for (int64_t b = l[i].first; b < l[i].first + 6000; b++)
            sched_done(s, i, b, 0, i == 0 && b == l[i].first + 5999 ? 0.01 : 0.000015);
    }
    for (int i = 0; i < 2; i++)
        sched_request(s, i, 1, &l[i]);
    assert_true(l[0].count >= 0.8 * (double)l[1].count && l[0].count < l[1].count);
    sched_free(s);
}

// Eight workers, batches of 15 µs: leases of 50 ms in the middle, but the last ones are a tenth of that or less.
static void test_the_end_is_balanced(void **state)
{
    (void)state;
    Sched *s = make((SchedOptions){.batches = 400000, .workers = 8, .lease_seconds = 0.05, .message_seconds = 2e-6});
    sched_settle(s);
    Lease l;
    int64_t last[8] = {0};
    int leases = 0;
    for (; sched_request(s, leases % 8, 1, &l) == SCHED_LEASE; leases++) {
        assert_int_equal(sched_done_run(s, leases % 8, l.first, l.count, 0.000015), l.count);
        last[leases % 8] = l.count;
    }
    assert_true(sched_finished(s));
    for (int i = 0; i < 8; i++)
        assert_true(last[i] >= 1 && (double)last[i] * 0.000015 <= 0.005);
    // Not less than a quarter of the coordinator's time is worth: 8 workers × 2 messages × 2 µs / 0.25 = 0.128 ms.
    assert_true(leases < 8 * 20);
    sched_free(s);
}

// 10,000 workers: the lease that all get for a second of messages a hundred seconds long, and the numbers for workers.
static void test_leases_grow_with_workers(void **state)
{
    (void)state;
    enum { WORKERS = 10000 };
    Sched *s = make((SchedOptions){.batches = (int64_t)WORKERS * 100000, .workers = WORKERS, .message_seconds = 2e-6});
    sched_settle(s);
    Lease l;
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < WORKERS; i++) {
            assert_int_equal(sched_request(s, i, 1, &l), SCHED_LEASE);
            sched_done_run(s, i, l.first, l.count, 0.01);
        }
    // Two messages of 2 µs for each of 10,000 workers are 0.04 s: no more than 0.3 % of what their leases take.
    assert_true((double)l.count * 0.01 >= 0.04 / 0.003 * 0.99);
    assert_true((double)l.count * 0.01 <= 0.04 / 0.003 * 1.01);
    sched_free(s);
    // All workers' requests fit in the time by which they come early; reports take at most 0.1 % of the time.
    assert_true(sched_request_early_seconds(WORKERS, 2e-6) >= 0.04);
    assert_true(WORKERS * 2e-6 / sched_report_seconds(WORKERS, 2e-6) < 0.00101);
    assert_true(sched_request_early_seconds(1, 0) > 0);
    assert_true(sched_report_seconds(8, 2e-6) < 0.02); // seen at once by people
}

// A model of the scheduler that says after every event what must be so, for random events in random order.
enum { MODEL_WORKERS = 6, MODEL_BATCHES = 60, FREE = -1, DONE = -2 };

typedef struct Model {
    Sched *s;
    SchedOptions options;
    int where[MODEL_BATCHES]; // the worker that holds it, FREE or DONE
    int64_t waits[MODEL_WORKERS];
    bool lost[MODEL_WORKERS];
    bool stopped, settled;
} Model;

static int64_t model_count(const Model *m, int where)
{
    int64_t n = 0;
    for (int64_t b = 0; b < m->options.batches; b++)
        n += m->where[b] == where;
    return n;
}

static void model_check(Model *m)
{
    assert_int_equal(sched_done_count(m->s), model_count(m, DONE));
    assert_int_equal(sched_finished(m->s), model_count(m, DONE) == m->options.batches);
    assert_int_equal(sched_stopped(m->s), m->stopped);
    for (int i = 0; i < m->options.workers; i++)
        assert_int_equal(sched_outstanding(m->s, i), model_count(m, i));
    for (int64_t b = 0; b < m->options.batches; b++)
        assert_int_equal(sched_is_done(m->s, b), m->where[b] == DONE);
}

static SchedAnswer model_request(Model *m, int worker, int64_t want)
{
    Lease l = {-1, -1};
    bool over = m->stopped || model_count(m, DONE) == m->options.batches;
    SchedAnswer a = sched_request(m->s, worker, want, &l);
    m->waits[worker] = a == SCHED_WAIT ? want : 0;
    assert_int_equal(a == SCHED_NOTHING, over || m->lost[worker] || (m->options.in_order && worker != 0));
    if (a == SCHED_WAIT)
        assert_true(model_count(m, FREE) == 0 || !m->settled);
    if (a != SCHED_LEASE)
        return a;
    assert_true(l.count >= 1 && l.first >= 0 && l.first + l.count <= m->options.batches);
    assert_true(m->settled || l.count <= want);
    for (int64_t b = l.first; b < l.first + l.count; b++) {
        assert_int_equal(m->where[b], FREE);
        m->where[b] = worker;
    }
    return a;
}

static void model_done(Model *m, int worker, int64_t first, int64_t count, double seconds)
{
    int64_t expected = 0;
    for (int64_t b = first; b < first + count; b++)
        if (first >= 0 && b < m->options.batches && m->where[b] == worker) {
            m->where[b] = DONE;
            expected++;
        }
    if (count == 1)
        assert_int_equal(sched_done(m->s, worker, first, 0, seconds), expected);
    else
        assert_int_equal(sched_done_run(m->s, worker, first, count, seconds), expected);
}

static void model_tick(Model *m)
{
    int64_t want;
    for (int worker; (worker = sched_next_waiting(m->s, &want)) >= 0;) {
        assert_true(want >= 1);
        assert_int_equal(want, m->waits[worker]);
        assert_int_not_equal(model_request(m, worker, want), SCHED_WAIT); // or this would not end
    }
    // Who still waits, waits for something that can come.
    bool over = m->stopped || model_count(m, DONE) == m->options.batches;
    for (int i = 0; i < m->options.workers; i++)
        assert_true(m->waits[i] == 0 || (!over && (!m->settled || model_count(m, FREE) == 0)));
}

static void model_lose(Model *m, int worker)
{
    sched_lost(m->s, worker);
    m->lost[worker] = true;
    m->waits[worker] = 0;
    bool alive = false;
    for (int i = 0; i < m->options.workers; i++)
        alive |= !m->lost[i];
    m->stopped |= !alive;
    for (int64_t b = 0; b < m->options.batches; b++)
        if (m->where[b] == worker)
            m->where[b] = FREE;
}

static void model_event(Model *m, bool harm)
{
    int worker = (int)draw((uint32_t)m->options.workers);
    double seconds = draw(4) == 0 ? 0 : 0.001 * draw(3000);
    int64_t first = (int64_t)draw((uint32_t)m->options.batches + 4) - 2;
    uint32_t kind = draw(1000);
    if (kind < 300)
        model_request(m, worker, 1 + draw(4));
    else if (kind < 600)
        model_done(m, worker, first, 1, seconds);
    else if (kind < 850)
        model_done(m, worker, first, 1 + draw(20), seconds);
    else if (kind < 970)
        model_tick(m);
    else if (kind < 985) {
        sched_settle(m->s);
        m->settled = true;
    } else if (harm && kind < 996) {
        model_lose(m, worker);
    } else if (harm && kind < 998) {
        sched_failed(m->s, worker, first);
        m->stopped = true;
        if (first >= 0 && first < m->options.batches && m->where[first] == worker)
            m->where[first] = MODEL_WORKERS; // nobody's
    } else if (harm && kind == 999) {
        sched_stop(m->s);
        m->stopped = true;
    }
}

// Whatever happened, the run comes to its end: everything is done or the run was stopped, and everyone is told NOTHING.
static void model_finish(Model *m)
{
    sched_settle(m->s);
    m->settled = true;
    for (int round = 0; round < 4 * MODEL_BATCHES && !m->stopped && model_count(m, DONE) < m->options.batches; round++) {
        model_tick(m);
        for (int i = 0; i < m->options.workers; i++) {
            if (!m->lost[i])
                model_request(m, i, 1);
            model_done(m, i, 0, m->options.batches, 0.01);
            model_check(m);
        }
        if (m->options.in_order && m->lost[0])
            return; // the only one that may has gone
    }
    assert_true(m->stopped || model_count(m, DONE) == m->options.batches);
    model_tick(m);
    for (int i = 0; i < m->options.workers; i++)
        assert_int_equal(model_request(m, i, 1), SCHED_NOTHING);
}

static void test_random_orders_of_events(void **state)
{
    (void)state;
    static const double message_seconds[] = {0, 2e-6, 0.01, 10};
    int stopped = 0, lost = 0;
    for (uint64_t seed = 1; seed <= 4000; seed++) {
        random_state = seed;
        for (int i = 0; i < 10; i++)
            draw(2); // seeds that follow each other begin alike
        uint8_t map[MODEL_BATCHES];
        Model m = {.options = {.batches = draw(MODEL_BATCHES + 1), .workers = 1 + (int)draw(MODEL_WORKERS), .in_order = draw(8) == 0,
                               .lease_seconds = draw(2) ? 0.05 : 0, .message_seconds = message_seconds[draw(4)]}};
        bool resumed = draw(3) == 0, harm = draw(2) == 0;
        for (int64_t b = 0; b < m.options.batches; b++) {
            map[b] = resumed && draw(3) == 0;
            m.where[b] = map[b] ? DONE : FREE;
        }
        m.options.map = resumed ? map : NULL;
        m.s = make(m.options);
        for (uint32_t events = draw(400); events > 0; events--) {
            model_event(&m, harm);
            model_check(&m);
        }
        stopped += m.stopped;
        for (int i = 0; i < m.options.workers; i++)
            lost += m.lost[i];
        model_finish(&m);
        sched_free(m.s);
    }
    assert_true(stopped > 100 && stopped < 2000 && lost > 100); // the test meets what it is about
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
        cmocka_unit_test(test_runs_of_batches),
        cmocka_unit_test(test_leases_by_speed),
        cmocka_unit_test(test_one_slow_batch_says_little),
        cmocka_unit_test(test_the_end_is_balanced),
        cmocka_unit_test(test_leases_grow_with_workers),
        cmocka_unit_test(test_random_orders_of_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
