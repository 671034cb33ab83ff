// Packed weights: filled once per key, found by contents, shared by processes, and what happens when one of them dies.
// The window is an anonymous shared mapping; children are forked, so they see it at the same address, and attach anew.
#include "kernels/pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct Fill {
    int calls;
    uint8_t value;
    bool fail, die;
} Fill;

static Status fill_bytes(void *ctx, void *bytes)
{
    Fill *f = ctx;
    f->calls++;
    if (f->die)
        raise(SIGKILL);
    if (f->fail)
        return status_fail(ST_INTERNAL, "asked to fail");
    memset(bytes, f->value, 100);
    return ST_OK;
}

static void check_bytes(const void *p, uint8_t value)
{
    assert_int_equal((uintptr_t)p % 64, 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(((const uint8_t *)p)[i], value);
}

static void fills_once_and_keeps_keys_apart(PackStore *s)
{
    Fill a = {.value = 7}, b = {.value = 9};
    const void *p, *q, *r;
    assert_int_equal(pack_get(s, "key1", 4, 100, fill_bytes, &a, &p), ST_OK);
    assert_int_equal(pack_get(s, "key1", 4, 100, fill_bytes, &a, &q), ST_OK);
    assert_int_equal(pack_get(s, "key2", 4, 100, fill_bytes, &b, &r), ST_OK);
    assert_ptr_equal(p, q);
    assert_int_equal(a.calls, 1);
    assert_int_equal(b.calls, 1);
    check_bytes(p, 7);
    check_bytes(r, 9);
    assert_int_equal(pack_store_used(s) >= 200, 1);
}

static void failed_fill_leaves_nothing(PackStore *s)
{
    Fill bad = {.fail = true}, good = {.value = 3};
    const void *p = NULL;
    assert_int_equal(pack_get(s, "failing", 7, 100, fill_bytes, &bad, &p), ST_INTERNAL);
    assert_null(p);
    assert_int_equal(pack_get(s, "failing", 7, 100, fill_bytes, &good, &p), ST_OK);
    assert_int_equal(good.calls, 1);
    check_bytes(p, 3);
}

static void test_private(void **state)
{
    (void)state;
    PackStore *s;
    assert_int_equal(pack_store_new(&s), ST_OK);
    assert_int_equal(pack_store_used(s), 0);
    fills_once_and_keeps_keys_apart(s);
    failed_fill_leaves_nothing(s);
    pack_store_free(s);
}

static void *window_new(size_t size) { return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0); }

static void test_window(void **state)
{
    (void)state;
    size_t size = pack_window_size(1000, 8);
    void *w = window_new(size);
    PackStore *s, *other;
    assert_int_equal(pack_store_attach(&s, w, size, false), ST_INTERNAL); // nobody initialised it
    assert_int_equal(pack_store_attach(&s, w, size, true), ST_OK);
    assert_int_equal(pack_store_attach(&other, w, size, false), ST_OK);
    assert_int_equal(pack_store_used(s), 0);
    fills_once_and_keeps_keys_apart(s);
    failed_fill_leaves_nothing(s);
    Fill never = {.value = 1};
    const void *p;
    assert_int_equal(pack_get(other, "key1", 4, 100, fill_bytes, &never, &p), ST_OK);
    assert_int_equal(never.calls, 0);
    check_bytes(p, 7);
    pack_store_free(other);
    pack_store_free(s);
    munmap(w, size);
}

static void test_full_window_spills(void **state)
{
    (void)state;
    size_t size = 16384;
    void *w = window_new(size);
    PackStore *s;
    assert_int_equal(pack_store_attach(&s, w, size, true), ST_OK);
    for (int i = 0; i < 200; i++) {
        Fill f = {.value = (uint8_t)i};
        const void *p, *q;
        assert_int_equal(pack_get(s, &i, sizeof i, 100, fill_bytes, &f, &p), ST_OK);
        assert_int_equal(pack_get(s, &i, sizeof i, 100, fill_bytes, &f, &q), ST_OK);
        assert_ptr_equal(p, q);
        assert_int_equal(f.calls, 1);
        check_bytes(p, (uint8_t)i);
    }
    pack_store_free(s);
    munmap(w, size);
}

static void test_processes(void **state)
{
    (void)state;
    size_t size = pack_window_size(4096, 8);
    void *w = window_new(size);
    PackStore *s;
    assert_int_equal(pack_store_attach(&s, w, size, true), ST_OK);
    pid_t child = fork();
    if (child == 0) {
        PackStore *mine;
        Fill f = {.value = 5};
        const void *p;
        bool ok = pack_store_attach(&mine, w, size, false) == ST_OK && pack_get(mine, "k", 1, 100, fill_bytes, &f, &p) == ST_OK;
        f.die = true;
        if (ok)
            pack_get(mine, "dying", 5, 100, fill_bytes, &f, &p); // killed while it holds the lock
        _exit(1);
    }
    int how;
    waitpid(child, &how, 0);
    assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
    Fill never = {.value = 6}, once = {.value = 8};
    const void *p;
    assert_int_equal(pack_get(s, "k", 1, 100, fill_bytes, &never, &p), ST_OK);
    assert_int_equal(never.calls, 0);
    check_bytes(p, 5);
    assert_int_equal(pack_get(s, "dying", 5, 100, fill_bytes, &once, &p), ST_OK);
    assert_int_equal(once.calls, 1);
    check_bytes(p, 8);
    pack_store_free(s);
    munmap(w, size);
}

static Fill race_fill = {.value = 4};
static void *race(void *store)
{
    const void *p;
    return pack_get(store, "race", 4, 100, fill_bytes, &race_fill, &p) == ST_OK ? (void *)p : NULL;
}

static void test_threads(void **state)
{
    (void)state;
    PackStore *s;
    pthread_t t[4];
    void *p[4];
    assert_int_equal(pack_store_new(&s), ST_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, race, s), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], &p[i]);
    assert_int_equal(race_fill.calls, 1);
    for (int i = 0; i < 4; i++)
        assert_ptr_equal(p[i], p[0]);
    check_bytes(p[0], 4);
    pack_store_free(s);
}

static void test_operand_key(void **state)
{
    (void)state;
    float a[70], b[70];
    for (int i = 0; i < 70; i++)
        a[i] = b[i] = (float)i;
    View v = {.data = a, .dtype = DT_F32, .constant = true};
    view_set_contiguous(&v, 2, (int64_t[]){7, 10});
    View u = v;
    u.data = b;
    PackKey k1 = {0}, k2 = {0}, k3 = {0}, k4 = {0};
    pack_key_operand(&k1, &v);
    pack_key_operand(&k2, &u);
    assert_memory_equal(k1.bytes, k2.bytes, k1.size); // same contents elsewhere
    b[69] = -1;
    pack_key_operand(&k3, &u);
    assert_memory_not_equal(k1.bytes, k3.bytes, k1.size);
    view_set_contiguous(&v, 2, (int64_t[]){10, 7});
    pack_key_operand(&k4, &v);
    assert_memory_not_equal(k1.bytes, k4.bytes, k1.size);
    PackKey full = {0};
    uint8_t much[PACK_KEY_MAX];
    memset(much, 0, sizeof much);
    pack_key_text(&full, "conv");
    pack_key_bytes(&full, much, sizeof much);
    assert_true(full.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_private),        cmocka_unit_test(test_window),  cmocka_unit_test(test_full_window_spills),
        cmocka_unit_test(test_processes),      cmocka_unit_test(test_threads), cmocka_unit_test(test_operand_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
