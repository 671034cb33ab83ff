// Parcels: calls that gave values and calls that raised, there and back; messages that are cut short or changed.
#include "coordinator/comm_pool.h"
#include "coordinator/parcel.h"

#include "worker/allocator.h"
#include "worker/tensor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static PackStore *packs;
static Model *model;
static Lane *lane;
static CommPool *pool;
static TransferTable *table;

static void ok(Status status)
{
    if (status != ST_OK)
        fail_msg("%s: %s", status_name(status), status_message());
}

static int open_model(void **state)
{
    (void)state;
    ok(pack_store_new(&packs));
    pool = comm_pool_new();
    KernelContext kernels = {.packs = packs, .threads = 1};
    ok(model_open(TEST_DATA "/named.pt", &model));
    ok(model_prepare(model, &(ModelOptions){.kernels = &kernels}, false));
    ok(lane_new(&kernels, program_types(model_program(model)), &lane));
    ok(transfer_table_new(model, &table));
    return 0;
}

static int close_model(void **state)
{
    (void)state;
    assert_int_equal(allocator_stats(lane->allocator).live, 0);
    transfer_table_free(table);
    lane_free(lane);
    model_free(model);
    pack_store_free(packs);
    comm_pool_free(pool);
    return 0;
}

static void *copy(void *to, const void *data, size_t size)
{
    memcpy(to, data, size);
    return to;
}

// What comm makes of a parcel, its head shortened to `size` bytes.
static CommMessage arrived(const ParcelOut *p, size_t size)
{
    const Transfer *t = &p->transfer;
    CommMessage m = {.size = size, .data = copy(aligned_alloc(64, (size + 64) & ~(size_t)63), t->head.ptr, size), .pool = pool, .parts = calloc(t->part_count + 1, sizeof *m.parts), .part_count = (int)t->part_count};
    for (uint32_t i = 0; i < t->part_count; i++)
        m.parts[i] = (CommPart){copy(comm_pool_take(pool, t->parts[i].size), t->parts[i].data, t->parts[i].size), t->parts[i].size};
    return m;
}

// Three calls: a number and a large tensor, one that raised, a number and None.
static ParcelOut *make_parcel(void)
{
    ParcelOut *p;
    Tensor *large;
    ok(tensor_new(lane, DT_F32, 2, (int64_t[]){50, 60}, &large));
    for (int i = 0; i < 3000; i++)
        ((float *)large->view.data)[i] = (float)i;
    ok(parcel_new(7, 21, 3, 3, &p));
    ok(parcel_add_call(p, table, lane, false, (IValue[]){value_int(5), value_tensor_take(large)}, 2));
    ok(parcel_add_error(p, "RuntimeError: too large"));
    ok(parcel_add_call(p, table, lane, true, (IValue[]){value_int(6), value_none()}, 2));
    parcel_set_seconds(p, 0.25);
    return p;
}

static void test_there_and_back(void **state)
{
    (void)state;
    ParcelOut *out = make_parcel();
    assert_int_equal(out->transfer.part_count, 1);
    assert_ptr_equal(out->transfer.parts[0].data, out->values[1].as.tensor->view.data); // no copy
    CommMessage m = arrived(out, out->transfer.head.len);
    ParcelIn *in;
    ok(parcel_open(&m, &in));
    assert_true(in->batch == 7 && in->first == 21 && in->count == 3 && in->calls == 3 && in->seconds == 0.25);
    IValue v[2];
    const char *raised;
    ok(parcel_next_call(in, table, lane, 2, v, &raised));
    assert_null(raised);
    assert_true(v[0].tag == TAG_INT && v[0].as.i == 5 && v[1].tag == TAG_TENSOR);
    assert_ptr_equal(v[1].as.tensor->view.data, in->message.parts[0].data); // none here either
    assert_true(((float *)v[1].as.tensor->view.data)[2999] == 2999);
    values_discard(v, 2, NULL, 0);
    ok(parcel_next_call(in, table, lane, 2, v, &raised));
    assert_string_equal(raised, "RuntimeError: too large");
    ok(parcel_next_call(in, table, lane, 2, v, &raised));
    assert_true(!raised && v[0].as.i == 6 && v[1].tag == TAG_NONE);
    values_discard(v, 2, NULL, 0);
    assert_int_equal(parcel_next_call(in, table, lane, 2, v, &raised), ST_INTERNAL); // there were three
    parcel_in_free(in);
    parcel_out_free(out);
}

static void read_all(CommMessage *m)
{
    ParcelIn *in;
    if (parcel_open(m, &in) != ST_OK)
        return;
    Status s = ST_OK;
    for (int64_t i = 0; i < in->calls && i < 4 && s == ST_OK; i++) {
        IValue v[2];
        const char *raised;
        s = parcel_next_call(in, table, lane, 2, v, &raised);
        if (s == ST_OK && !raised)
            values_discard(v, 2, NULL, 0);
    }
    parcel_in_free(in);
}

static void test_broken(void **state)
{
    (void)state;
    ParcelOut *out = make_parcel();
    size_t size = out->transfer.head.len;
    for (size_t cut = 0; cut < size; cut++) {
        CommMessage m = arrived(out, cut);
        ParcelIn *in;
        if (cut < 40) // the numbers at its beginning
            assert_int_equal(parcel_open(&m, &in), ST_INTERNAL);
        else
            read_all(&m);
    }
    for (size_t at = 0; at < size; at++) {
        CommMessage m = arrived(out, size);
        m.data[at] ^= 0x41;
        read_all(&m);
    }
    parcel_out_free(out);
}

// A block that came back is handed out again, to those who nearly fill it.
static void test_pool(void **state)
{
    (void)state;
    CommPool *p = comm_pool_new();
    void *a = comm_pool_take(p, 1 << 20), *b = comm_pool_take(p, 3 << 20);
    assert_true((uintptr_t)a % 64 == 0 && (uintptr_t)b % 64 == 0);
    memset(a, 1, 1 << 20);
    memset(b, 2, 3 << 20);
    comm_pool_give(p, a);
    comm_pool_give(p, b);
    assert_ptr_equal(comm_pool_take(p, 2 << 20), b);
    void *small = comm_pool_take(p, 200 << 10);
    assert_ptr_not_equal(small, a); // too large for it
    assert_ptr_equal(comm_pool_take(p, 900 << 10), a);
    comm_pool_give(p, small);
    comm_pool_give(p, b);
    comm_pool_free(p); // one is out: nothing happens
    assert_ptr_equal(comm_pool_take(p, 3 << 20), b);
    comm_pool_give(p, a);
    comm_pool_give(p, b);
    comm_pool_give(p, NULL);
    comm_pool_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_broken), cmocka_unit_test(test_pool)};
    return cmocka_run_group_tests(tests, open_model, close_model);
}
