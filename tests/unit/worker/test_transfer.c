// Values that travel: every kind there and back between two models of one file, who shares what, and broken messages.
#include "worker/transfer.h"

#include "worker/allocator.h"
#include "worker/nested.h"
#include "worker/quant.h"
#include "worker/random.h"
#include "worker/tensor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void ok(Status status)
{
    if (status != ST_OK)
        fail_msg("%s: %s", status_name(status), status_message());
}

// ---- two processes

typedef struct Side {
    PackStore *packs;
    Model *model;
    Lane *lane;
    TransferTable *table;
} Side;

static Side sender, receiver;

static void side_open(Side *s, const char *path)
{
    ok(pack_store_new(&s->packs));
    KernelContext kernels = {.packs = s->packs, .threads = 1};
    ok(model_open(path, &s->model));
    ok(model_prepare(s->model, &(ModelOptions){.kernels = &kernels}, true));
    ok(lane_new(&kernels, program_types(model_program(s->model)), &s->lane));
    ok(transfer_table_new(s->model, &s->table));
}

static void side_close(Side *s)
{
    assert_int_equal(allocator_stats(s->lane->allocator).live, 0);
    assert_null(s->lane->objects);
    transfer_table_free(s->table);
    lane_free(s->lane);
    model_free(s->model);
    pack_store_free(s->packs);
}

static int open_both(void **state)
{
    (void)state;
    side_open(&sender, TEST_DATA "/archives/features_214.pt");
    side_open(&receiver, TEST_DATA "/archives/features_214.pt");
    return 0;
}

static int close_both(void **state)
{
    (void)state;
    side_close(&sender);
    side_close(&receiver);
    return 0;
}

// What the wire carries: copies of head and parts at aligned addresses.
typedef struct Message {
    void *head;
    size_t size;
    TransferPart *parts;
    uint32_t part_count;
} Message;

static void *aligned_copy(const void *data, size_t size)
{
    void *copy = aligned_alloc(TRANSFER_ALIGN, (size + TRANSFER_ALIGN) / TRANSFER_ALIGN * TRANSFER_ALIGN);
    assert_non_null(copy);
    if (size)
        memcpy(copy, data, size);
    return copy;
}

static Message message_of(const Transfer *t)
{
    Message m = {aligned_copy(t->head.ptr, t->head.len), t->head.len, malloc((t->part_count + 1) * sizeof *m.parts), t->part_count};
    assert_non_null(m.parts);
    for (uint32_t i = 0; i < m.part_count; i++)
        m.parts[i] = (TransferPart){aligned_copy(t->parts[i].data, t->parts[i].size), t->parts[i].size};
    return m;
}

static void message_free(Message *m)
{
    for (uint32_t i = 0; i < m->part_count; i++)
        free((void *)(uintptr_t)m->parts[i].data);
    free(m->parts);
    free(m->head);
}

static Status receive(const Message *m, uint32_t count, IValue *out)
{
    TransferReader r = transfer_reader(m->head, m->size, m->parts, m->part_count);
    return transfer_unpack(&r, receiver.table, receiver.lane, count, out);
}

// Packs, unpacks, and gives what arrived along with the message it lies in.
static Message travel(const IValue *values, uint32_t count, IValue *out)
{
    Transfer t = {0};
    ok(transfer_pack(&t, sender.table, sender.lane, values, count));
    uint64_t bytes;
    ok(transfer_size(sender.table, sender.lane, values, count, &bytes));
    assert_int_equal(bytes, transfer_bytes(&t));
    Message m = message_of(&t);
    transfer_free(&t);
    ok(receive(&m, count, out));
    return m;
}

// ---- values

static const Type *kind(TypeKind k) { return type_of_kind(sender.lane->types, k); }

// The first plain class of the model with two slots at least.
static ClassDef *plain_class(void)
{
    for (uint32_t i = 0;; i++) {
        const Type *t = type_by_id(sender.lane->types, i);
        assert_non_null(t);
        if (t->kind == TYPE_CLASS && t->cls->kind == CLASS_PLAIN && t->cls->attr_count >= 2)
            return t->cls;
    }
}

static const ClassDef *enum_class(void)
{
    for (uint32_t i = 0;; i++) {
        const Type *t = type_by_id(sender.lane->types, i);
        assert_non_null(t);
        if (t->kind == TYPE_ENUM)
            return t->cls;
    }
}

static IValue str(const char *z)
{
    IValue v;
    ok(value_str(str_of(z), &v));
    return v;
}

static IValue complex_number(double re, double im)
{
    IValue v;
    ok(value_complex(re, im, &v));
    return v;
}

static Tensor *counting(DType dtype, int ndim, const int64_t *size)
{
    Tensor *t;
    ok(tensor_new(sender.lane, dtype, ndim, size, &t));
    size_t bytes = view_bytes(&t->view);
    for (size_t i = 0; i < bytes; i++)
        ((uint8_t *)t->view.data)[i] = (uint8_t)(i * 7 + i / 256);
    return t;
}

static void release_all(IValue *values, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        value_release(values[i]);
}

static void same_tensor(const Tensor *a, const Tensor *b)
{
    assert_true(view_same_signature(&a->view, &b->view));
    assert_int_equal(a->bits, b->bits);
    assert_int_equal(a->requires_grad, b->requires_grad);
    assert_int_equal(a->wrapped_number, b->wrapped_number);
    assert_int_equal(a->is_constant, b->is_constant);
    if (view_bytes(&a->view))
        assert_memory_equal(a->view.data, b->view.data, view_bytes(&a->view));
}

static void test_numbers_and_texts(void **state)
{
    (void)state;
    IValue in[] = {value_none(), value_bool(true), value_bool(false), value_int(INT64_MIN), value_float(-0.0),
                   {.tag = TAG_DEVICE, .as.device = {DEVICE_CUDA, 3}}, {.tag = TAG_UNINITIALIZED}, str("tes\xc3\xa9"), str(""),
                   complex_number(1.5, -2)};
    enum { N = sizeof in / sizeof *in };
    IValue out[N];
    Message m = travel(in, N, out);
    for (int i = 0; i < N; i++) {
        assert_int_equal(in[i].tag, out[i].tag);
        assert_true(value_equal(in[i], out[i]));
    }
    assert_true(__builtin_signbit(out[4].as.f));
    release_all(in, N);
    release_all(out, N);
    message_free(&m);
}

static void test_containers(void **state)
{
    (void)state;
    TypeTable *types = sender.lane->types;
    IValue ints;
    ok(list_of_ints((const int64_t[]){4, 5, 6}, 3, &ints)); // whose type is of no table
    DictObj *d = dict_new(kind(TYPE_STR), kind(TYPE_ANY));
    IValue keys[] = {str("b"), value_int(1), value_float(2.5), value_bool(true), complex_number(0, 1), str("a")};
    for (int i = 0; i < 6; i++)
        ok(dict_set(d, keys[i], value_int(i)));
    TupleObj *t = tuple_new(3, NULL);
    t->items[0] = value_retain(ints);
    t->items[1] = value_retain(value_dict_take(d));
    t->items[2] = value_retain(ints);
    const ClassDef *cls = enum_class();
    IValue member;
    ok(value_enum(cls, cls->constants[0].name, value_int(7), &member));
    IValue in[] = {value_tuple_take(t), ints, value_dict_take(d), member}, out[4];
    Message m = travel(in, 4, out);
    assert_int_equal(out[0].tag, TAG_TUPLE);
    const IValue *items = out[0].as.tuple->items;
    assert_true(items[0].as.obj == out[1].as.obj && items[2].as.obj == out[1].as.obj && items[1].as.obj == out[2].as.obj);
    assert_int_equal(out[1].as.obj->refs, 3);
    assert_true(value_equal(out[1], ints));
    assert_ptr_equal(out[1].as.list->elem, type_of_kind(receiver.lane->types, TYPE_INT));
    assert_ptr_equal(dict_key_type(out[2].as.dict), type_of_kind(receiver.lane->types, TYPE_STR));
    assert_int_equal(dict_len(out[2].as.dict), 6);
    IValue key, value;
    int64_t i = 0;
    for (uint32_t at = 0; dict_next(out[2].as.dict, &at, &key, &value); i++) {
        assert_true(value_equal(key, keys[i]) && key.tag == keys[i].tag);
        assert_int_equal(value.as.i, i);
    }
    const EnumObj *e = out[3].as.enumeration;
    assert_true(str_eq(e->name, cls->constants[0].name) && str_eq(e->cls->name, cls->name) && e->cls != cls);
    assert_int_equal(e->value.as.i, 7);
    assert_non_null(types);
    release_all(keys, 6);
    release_all(in, 4);
    release_all(out, 4);
    message_free(&m);
}

static void test_objects_that_hold_each_other(void **state)
{
    (void)state;
    Object *a = object_new(plain_class()), *b = object_new(plain_class());
    ListObj *l = list_new(NULL, 1);
    a->slots[0] = value_object_take(b);
    b->slots[0] = value_retain(value_object_take(a));
    b->slots[1] = value_list_take(l); // holds what holds it
    ok(list_push_take(l, value_retain(value_object_take(b))));
    IValue in[] = {value_object_take(a), value_retain(value_list_take(l))}, out[2];
    Message m = travel(in, 2, out);
    const Object *c = out[0].as.object, *d = c->slots[0].as.object;
    assert_ptr_equal(d->slots[0].as.object, c);
    assert_ptr_equal(d->slots[1].as.list, out[1].as.list);
    assert_ptr_equal(out[1].as.list->items[0].as.object, d);
    assert_int_equal(c->slots[1].tag, TAG_UNINITIALIZED);
    assert_true(str_eq(c->cls->name, a->cls->name) && c->cls != a->cls);
    // `d` stays when something that is kept holds it.
    IValue kept = value_retain(c->slots[0]);
    values_discard(out, 2, &kept, 1);
    assert_int_equal(kept.as.object->slots[0].tag, TAG_OBJECT);
    values_discard(&kept, 1, NULL, 0);
    values_discard(in, 2, NULL, 0);
    message_free(&m);
}

static void test_a_list_in_itself_is_refused(void **state)
{
    (void)state;
    ListObj *l = list_new(NULL, 1);
    IValue in = value_list_take(l), out;
    ok(list_push_take(l, value_retain(in)));
    Transfer t = {0};
    ok(transfer_pack(&t, sender.table, sender.lane, &in, 1));
    Message m = message_of(&t);
    assert_int_equal(receive(&m, 1, &out), ST_INTERNAL);
    message_free(&m);
    transfer_free(&t);
    l->len = 0;
    l->head.refs = 1;
    value_release(in);
}

static void test_refused(void **state)
{
    (void)state;
    Transfer t = {0};
    Object *o = object_new(plain_class());
    o->persistent = true;
    IValue future, object = value_object_take(o);
    ok(value_future_take(value_int(1), &future));
    Generator *g;
    ok(generator_new(1, &g));
    IValue in[] = {object, future, value_function(NULL), {.tag = TAG_GENERATOR, .as.obj = &g->head}};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(transfer_pack(&t, sender.table, sender.lane, &in[i], 1), ST_UNSUPPORTED);
        assert_non_null(strstr(status_message(), "does not travel; choose another cut"));
        transfer_clear(&t);
        if (i != 2)
            value_release(in[i]);
    }
    transfer_free(&t);
}

// ---- tensors

static void test_tensors(void **state)
{
    (void)state;
    Tensor *plain = counting(DT_F32, 3, (const int64_t[]){3, 20, 40}); // a part
    Tensor *small = counting(DT_I16, 2, (const int64_t[]){3, 5});
    Tensor *empty = counting(DT_F64, 2, (const int64_t[]){0, 5}), *scalar = counting(DT_BOOL, 0, NULL);
    *(uint8_t *)scalar->view.data = 1;
    Tensor *conj = counting(DT_C64, 1, (const int64_t[]){4}), *blocked;
    conj->bits = TENSOR_CONJ | TENSOR_NEG;
    plain->requires_grad = true;
    scalar->wrapped_number = true;
    View like = {.dtype = DT_F32};
    view_set_contiguous(&like, 4, (const int64_t[]){2, 12, 9, 9});
    like.layout = LAYOUT_BLOCK16;
    ok(tensor_new_as(sender.lane, &like, &blocked));
    memset(blocked->view.data, 5, view_bytes(&like));
    IValue in[7], out[7];
    Tensor *tensors[] = {plain, small, empty, scalar, conj, blocked, plain};
    for (int i = 0; i < 7; i++)
        in[i] = value_tensor_take(tensors[i]);
    value_retain(in[6]);
    Message m = travel(in, 7, out);
    assert_int_equal(m.part_count, 2);
    assert_int_equal(m.parts[1].size, 2 * 16 * 81 * 4);
    for (int i = 0; i < 7; i++)
        same_tensor(in[i].as.tensor, out[i].as.tensor);
    assert_ptr_equal(out[0].as.tensor, out[6].as.tensor);
    assert_int_equal((uintptr_t)out[1].as.tensor->view.data % TRANSFER_ALIGN, 0);
    // Who writes to one gets memory of his own.
    ok(tensor_make_writable(out[0].as.tensor));
    assert_ptr_not_equal(out[0].as.tensor->view.data, m.parts[0].data);
    lane_reset_state(receiver.lane);
    release_all(in, 7);
    release_all(out, 7);
    message_free(&m);
}

static void test_views_share_their_storage(void **state)
{
    (void)state;
    Tensor *base = counting(DT_F32, 2, (const int64_t[]){100, 100}), *view[4];
    ok(tensor_view(sender.lane, base, 2, (const int64_t[]){10, 3}, (const int64_t[]){1, 100}, 5050, &view[0]));
    ok(tensor_view(sender.lane, base, 1, (const int64_t[]){50}, (const int64_t[]){2}, 5015, &view[1]));
    ok(tensor_view(sender.lane, base, 1, (const int64_t[]){7}, (const int64_t[]){0}, 5300, &view[2]));
    ok(tensor_view(sender.lane, base, 1, (const int64_t[]){0}, (const int64_t[]){1}, 10000, &view[3]));
    IValue in[4], out[4];
    for (int i = 0; i < 4; i++)
        in[i] = value_tensor_take(view[i]);
    Message m = travel(in, 4, out);
    // Elements 5015 to 5300, the first at a multiple of 64 bytes: 1.2 kB of 40 kB.
    assert_int_equal(m.part_count, 0);
    assert_true(m.size < 2048);
    for (int i = 0; i < 4; i++) {
        same_tensor(in[i].as.tensor, out[i].as.tensor);
        assert_ptr_equal(out[i].as.tensor->storage, out[0].as.tensor->storage);
        assert_int_equal((uintptr_t)out[i].as.tensor->view.data % TRANSFER_ALIGN, i == 3 ? 0 : (uintptr_t)view[i]->view.data % TRANSFER_ALIGN);
    }
    assert_int_equal(out[0].as.tensor->offset - out[1].as.tensor->offset, 35);
    // What is written through one is seen through the other.
    ok(tensor_make_writable(out[0].as.tensor));
    ((float *)out[0].as.tensor->view.data)[1] = 4711; // element 5051: number 18 of view 1
    assert_true(((float *)out[1].as.tensor->view.data)[36] == 4711);
    lane_reset_state(receiver.lane);
    release_all(in, 4);
    release_all(out, 4);
    message_free(&m);
    Message whole = travel((IValue[]){value_tensor_take(base)}, 1, out);
    assert_int_equal(whole.part_count, 1);
    assert_int_equal(whole.parts[0].size, 40000);
    release_all(out, 1);
    message_free(&whole);
    tensor_release(base);
}

static Tensor *per_channel(void)
{
    Tensor *integers = counting(DT_I8, 2, (const int64_t[]){3, 4}), *quantised;
    Tensor *scales = counting(DT_F64, 1, (const int64_t[]){4}), *zero_points = counting(DT_I64, 1, (const int64_t[]){4});
    for (int i = 0; i < 4; i++) {
        ((double *)scales->view.data)[i] = 0.5 * (i + 1);
        ((int64_t *)zero_points->view.data)[i] = i - 1;
    }
    Quant *q;
    ok(quant_new_channels(sender.lane, QUANT_PER_CHANNEL, scales, zero_points, 1, &q));
    ok(tensor_quant_view(sender.lane, integers, DT_QI8, q, &quantised));
    quant_release(q);
    tensor_release(scales);
    tensor_release(zero_points);
    tensor_release(integers);
    return quantised;
}

static Tensor *nested(void)
{
    Tensor *t = counting(DT_F32, 3, (const int64_t[]){2, 5, 3});
    t->nested = malloc(sizeof *t->nested + 2 * sizeof(int64_t));
    *t->nested = (Nested){.refs = 1, .count = 2};
    t->nested->rows[0] = 5;
    t->nested->rows[1] = 3;
    t->bits = TENSOR_NESTED;
    return t;
}

static void test_quantised_and_nested(void **state)
{
    (void)state;
    Tensor *per_tensor;
    ok(qtensor_new(sender.lane, DT_QU8, 2, (const int64_t[]){2, 2}, NULL, 0.25, 3, &per_tensor));
    memset(per_tensor->view.data, 9, 4);
    IValue in[] = {value_tensor_take(per_tensor), value_tensor_take(per_channel()), value_tensor_take(nested())}, out[3];
    Message m = travel(in, 3, out);
    for (int i = 0; i < 3; i++)
        same_tensor(in[i].as.tensor, out[i].as.tensor);
    assert_true(out[0].as.tensor->quant->scale == 0.25 && out[0].as.tensor->quant->zero_point == 3);
    Tensor *a, *b;
    ok(tensor_dequantise(sender.lane, in[1].as.tensor, &a));
    ok(tensor_dequantise(receiver.lane, out[1].as.tensor, &b));
    same_tensor(a, b);
    assert_int_equal(out[2].as.tensor->nested->count, 2);
    assert_int_equal(out[2].as.tensor->nested->rows[1], 3);
    tensor_release(a);
    tensor_release(b);
    release_all(in, 3);
    release_all(out, 3);
    message_free(&m);
}

static void test_borrowed_memory(void **state)
{
    (void)state;
    static const float batch[2048];
    View v = {.data = (void *)(uintptr_t)batch, .dtype = DT_F32};
    view_set_contiguous(&v, 1, (const int64_t[]){2048});
    Tensor *t, *own = counting(DT_F32, 1, (const int64_t[]){2048});
    ok(tensor_borrow(sender.lane, &v, sizeof batch, &t));
    Transfer transfer = {0};
    ok(transfer_pack(&transfer, sender.table, sender.lane, (IValue[]){value_tensor_take(own)}, 1));
    assert_false(transfer.borrows);
    ok(transfer_pack(&transfer, sender.table, sender.lane, (IValue[]){value_tensor_take(t)}, 1));
    assert_true(transfer.borrows);
    assert_ptr_equal(transfer.parts[1].data, batch);
    transfer_clear(&transfer);
    assert_int_equal(transfer_bytes(&transfer), 0);
    transfer_free(&transfer);
    tensor_release(t);
    tensor_release(own);
}

// ---- constants of the model

static const DatumTensor *some_weight(const Datum *d)
{
    const DatumTensor *found = NULL;
    if (d->kind == DATUM_TENSOR && datum_tensor_numel(d->tensor) > 1)
        return d->tensor;
    if (d->kind == DATUM_OBJECT)
        return some_weight(d->state);
    uint32_t items = d->kind == DATUM_DICT ? 2 * d->count : d->kind == DATUM_LIST || d->kind == DATUM_TUPLE ? d->count : 0;
    for (uint32_t i = 0; i < items && !found; i++)
        found = some_weight(d->items[i]);
    return found;
}

static void test_constants_travel_as_numbers(void **state)
{
    (void)state;
    Side a, b;
    const char *path = TEST_DATA "/../../deploy/demo/digits.pt";
    side_open(&a, path);
    side_open(&b, path);
    const DatumTensor *weight = some_weight(model_root(a.model)), *there = some_weight(model_root(b.model));
    Datum d = {.kind = DATUM_TENSOR, .tensor = (DatumTensor *)(uintptr_t)weight};
    ValueMemo *memo = NULL;
    IValue in, out;
    ok(value_from_datum(a.lane, &memo, &d, NULL, &in));
    for (int round = 0; round < 2; round++) {
        Transfer t = {0};
        ok(transfer_pack(&t, a.table, a.lane, &in, 1));
        Message m = message_of(&t);
        transfer_free(&t);
        TransferReader r = transfer_reader(m.head, m.size, m.parts, m.part_count);
        ok(transfer_unpack(&r, b.table, b.lane, 1, &out));
        const Tensor *arrived = out.as.tensor;
        assert_true(view_same_shape(&arrived->view, &in.as.tensor->view));
        assert_memory_equal(arrived->view.data, in.as.tensor->view.data, view_bytes(&in.as.tensor->view));
        assert_int_equal(arrived->is_constant, round == 0);
        assert_int_equal(arrived->view.data == datum_tensor_data(there), round == 0);
        if (round == 0)
            assert_true(m.size < 256 && m.part_count == 0);
        value_release(out);
        message_free(&m);
        ok(tensor_make_writable(in.as.tensor)); // from now on it is not what the file says
        *(uint8_t *)in.as.tensor->view.data ^= 1;
    }
    lane_reset_state(a.lane);
    value_release(in);
    value_memo_free(memo);
    side_close(&a);
    side_close(&b);
}

// ---- the generator

static void test_generator(void **state)
{
    (void)state;
    for (int draws = 0; draws < 4; draws++) { // 0: its key only; 3: the second of a pair waits
        Generator *g, *there;
        ok(lane_generator(sender.lane, &g));
        generator_key(g, 11, 7);
        for (int i = 0; i < draws; i++)
            random_normal(g, 0, 1);
        Transfer t = {0};
        ok(transfer_pack_generator(&t, sender.lane));
        TransferReader r = transfer_reader(t.head.ptr, t.head.len, NULL, 0);
        ok(transfer_unpack_generator(&r, receiver.lane));
        ok(lane_generator(receiver.lane, &there));
        for (int i = 0; i < 1000; i++)
            assert_true(random_normal(g, 0, 1) == random_normal(there, 0, 1));
        for (size_t cut = 0; cut < t.head.len; cut++) {
            r = transfer_reader(t.head.ptr, cut, NULL, 0);
            assert_int_equal(transfer_unpack_generator(&r, receiver.lane), ST_INTERNAL);
        }
        transfer_free(&t);
    }
}

// ---- broken messages

// One of everything.
static Message everything(void)
{
    Object *o = object_new(plain_class());
    ListObj *l = list_new(kind(TYPE_ANY), 2);
    o->slots[0] = value_retain(value_object_take(o));
    o->slots[1] = value_retain(value_list_take(l));
    ok(list_push_take(l, str("text")));
    ok(list_push_take(l, complex_number(1, 2)));
    DictObj *d = dict_new(kind(TYPE_STR), kind(TYPE_ANY));
    IValue key = str("key");
    ok(dict_set(d, key, value_list_take(l)));
    const ClassDef *cls = enum_class();
    IValue member;
    ok(value_enum(cls, cls->constants[0].name, value_int(7), &member));
    Tensor *large = counting(DT_F32, 2, (const int64_t[]){40, 40}), *view, *blocked;
    ok(tensor_view(sender.lane, large, 1, (const int64_t[]){7}, (const int64_t[]){3}, 100, &view));
    View like = {.dtype = DT_F32};
    view_set_contiguous(&like, 4, (const int64_t[]){1, 3, 2, 2});
    like.layout = LAYOUT_BLOCK8;
    ok(tensor_new_as(sender.lane, &like, &blocked));
    memset(blocked->view.data, 5, view_bytes(&like));
    IValue in[] = {value_object_take(o), value_list_take(l), value_dict_take(d), member, key, value_tensor_take(large), value_tensor_take(view),
                   value_tensor_take(blocked), value_tensor_take(per_channel()), value_tensor_take(nested()), value_float(1.5), value_bool(true)};
    enum { N = sizeof in / sizeof *in };
    Transfer t = {0};
    ok(transfer_pack(&t, sender.table, sender.lane, in, N));
    Message m = message_of(&t);
    transfer_free(&t);
    values_discard(in, N, NULL, 0);
    return m;
}

enum { EVERYTHING = 12 };

static Status receive_and_discard(const Message *m)
{
    IValue out[EVERYTHING];
    Status status = receive(m, EVERYTHING, out);
    if (status == ST_OK)
        values_discard(out, EVERYTHING, NULL, 0);
    else if (status != ST_INTERNAL)
        fail_msg("%s: %s", status_name(status), status_message());
    return status;
}

static void test_truncated(void **state)
{
    (void)state;
    Message m = everything();
    ok(receive_and_discard(&m));
    size_t size = m.size;
    for (size_t cut = 0; cut < size; cut++) {
        Message less = {aligned_copy(m.head, cut), cut, m.parts, m.part_count}; // so that a sanitizer sees the end
        assert_int_equal(receive_and_discard(&less), ST_INTERNAL);
        free(less.head);
    }
    m.part_count--;
    assert_int_equal(receive_and_discard(&m), ST_INTERNAL);
    m.part_count++;
    message_free(&m);
}

static void test_changed_bits(void **state)
{
    (void)state;
    Message m = everything();
    int refused = 0;
    for (size_t bit = 0; bit < 8 * m.size; bit++) {
        ((uint8_t *)m.head)[bit / 8] ^= (uint8_t)(1 << bit % 8);
        refused += receive_and_discard(&m) != ST_OK;
        ((uint8_t *)m.head)[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_true(refused > 1000); // of 16,000; most bits are numbers that may be any
    ok(receive_and_discard(&m));
    message_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_and_texts), cmocka_unit_test(test_containers), cmocka_unit_test(test_objects_that_hold_each_other),
        cmocka_unit_test(test_a_list_in_itself_is_refused), cmocka_unit_test(test_refused), cmocka_unit_test(test_tensors),
        cmocka_unit_test(test_views_share_their_storage), cmocka_unit_test(test_quantised_and_nested), cmocka_unit_test(test_borrowed_memory),
        cmocka_unit_test(test_constants_travel_as_numbers), cmocka_unit_test(test_generator), cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_changed_bits)};
    return cmocka_run_group_tests(tests, open_both, close_both);
}
