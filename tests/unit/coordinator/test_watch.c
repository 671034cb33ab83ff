// The watch: when beats are due, and whose silence counts.
#include "coordinator/watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void test_rank_0(void **state)
{
    (void)state;
    WatchState s;
    assert_int_equal(watch_state_init(&s, 0, 4, 15), ST_OK);
    assert_true(watch_advance(&s, 0)); // the first look sends beats
    int beats = 0;
    for (int i = 0; i < 40; i++) { // 20 s in which rank 2 is silent
        beats += watch_advance(&s, 0.5);
        watch_heard(&s, 1);
        watch_heard(&s, 3);
        assert_int_equal(watch_lost(&s), i < 30 ? -1 : 2);
    }
    assert_int_equal(beats, 10); // one every WATCH_BEAT
    watch_heard(&s, 2);
    assert_int_equal(watch_lost(&s), -1);
    watch_heard(&s, 0); // no rank that beats: ignored
    watch_heard(&s, 4);
    watch_state_free(&s);
}

// Other ranks listen to rank 0 only, and the later the higher they are.
static void test_others(void **state)
{
    (void)state;
    WatchState first, last;
    assert_int_equal(watch_state_init(&first, 1, 4000, 15), ST_OK);
    assert_int_equal(watch_state_init(&last, 3999, 4000, 15), ST_OK);
    watch_heard(&first, 2);
    for (int i = 1; i <= 40; i++) {
        watch_advance(&first, 0.5);
        watch_advance(&last, 0.5);
        assert_int_equal(watch_lost(&first), 0.5 * i > 15.5 ? 0 : -1);
        assert_int_equal(watch_lost(&last), 0.5 * i > 18 ? 0 : -1);
    }
    watch_heard(&first, 0);
    assert_int_equal(watch_lost(&first), -1);
    watch_state_free(&first);
    watch_state_free(&last);
}

// A process that was stopped for an hour does not blame the others.
static void test_stopped(void **state)
{
    (void)state;
    WatchState s;
    assert_int_equal(watch_state_init(&s, 0, 2, 15), ST_OK);
    watch_advance(&s, 3600);
    assert_int_equal(watch_lost(&s), -1);
    for (int i = 0; i < 14; i++)
        watch_advance(&s, 3600);
    assert_int_equal(watch_lost(&s), -1);
    watch_advance(&s, 3600); // 16 looks without hearing anything
    assert_int_equal(watch_lost(&s), 1);
    watch_state_free(&s);
}

static void test_deadline(void **state)
{
    (void)state;
    Deadline *d = deadline_start(60, "a test");
    assert_non_null(d);
    deadline_met(d);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        close(2); // the message is expected
        deadline_start(0.05, "a test");
        sleep(30);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 75);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rank_0), cmocka_unit_test(test_others), cmocka_unit_test(test_stopped), cmocka_unit_test(test_deadline)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
