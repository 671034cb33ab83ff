// The progress line, and the default batch size.
#include "coordinator/job.h"
#include "coordinator/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void shows(const Progress *p, int64_t done, int64_t errors, double now, const char *expected)
{
    Buf b = {0};
    progress_text(&b, p, done, errors, now);
    buf_char(&b, '\0');
    assert_string_equal(b.ptr, expected);
    buf_free(&b);
}

static void test_text(void **state)
{
    (void)state;
    Progress p;
    progress_start(&p, "never", false, 1234567, 234567, 10);
    assert_false(p.on);
    shows(&p, 234567, 0, 10, "234,567 of 1,234,567 samples");
    // 100,000 of the million left in 50 s: 2,000/s, 450 s more. What was done before does not count.
    shows(&p, 334567, 0, 60, "334,567 of 1,234,567 samples, 2,000/s, 7:30 left");
    shows(&p, 234577, 1, 20, "234,577 of 1,234,567 samples, 1/s, 277:46:30 left, 1 error");
    progress_start(&p, "always", true, 10, 0, 0);
    assert_true(p.on);
}

static void test_default_batch_size(void **state)
{
    (void)state;
    assert_int_equal(job_default_batch_size(1000000, 4), 256);       // the cap
    assert_int_equal(job_default_batch_size(1000000, 602112), 8);    // f32[3, 224, 224]: 8 MiB
    assert_int_equal(job_default_batch_size(1797, 256), 64);         // a 16th of the samples
    assert_int_equal(job_default_batch_size(1, 4), 1);
    assert_int_equal(job_default_batch_size(1000, 100 << 20), 1);    // one row is more than 8 MiB
    assert_int_equal(job_default_batch_size(100, 0), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_text), cmocka_unit_test(test_default_batch_size)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
