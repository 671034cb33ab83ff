// The unpickler: every opcode and value of TorchScript's dialect, sharing, and the many ways of being wrong.
// Pickles are written by hand below; P("…") takes the bytes behind the protocol header.
#include "io/pickle.h"
#include "zip_writer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static Arena arena;

static int teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

#define P(text) ((Str){"\x80\x02" text, sizeof("\x80\x02" text) - 1})

static Status read_in(Archive *a, Str bytes, Datum **out)
{
    Unpickler u = {.archive = a, .record = "test.pkl", .storage_prefix = "data/", .arena = &arena};
    // A copy of its own, so that reading past its end is seen.
    char *copy = malloc(bytes.len + 1);
    memcpy(copy, bytes.ptr, bytes.len);
    Status st = pickle_read_bytes(&u, (Str){copy, bytes.len}, out);
    free(copy);
    return st;
}

static Datum *good(Str bytes)
{
    Datum *d = NULL;
    if (read_in(NULL, bytes, &d) != ST_OK)
        fail_msg("%s", status_message());
    return d;
}

static void bad(Str bytes, const char *part)
{
    Datum *d;
    Status st = read_in(NULL, bytes, &d);
    if (st != ST_BAD_MODEL || !strstr(status_message(), part))
        fail_msg("%s where '%s' was expected: %s", status_name(st), part, st == ST_OK ? "" : status_message());
}

static void test_scalars(void **state)
{
    (void)state;
    assert_int_equal(good(P("N."))->kind, DATUM_NONE);
    assert_true(good(P("\x88."))->b);
    assert_false(good(P("\x89."))->b);
    assert_int_equal(good(P("K\xff."))->i, 255);
    assert_int_equal(good(P("M\x01\xff."))->i, 0xff01);
    assert_int_equal(good(P("J\xfe\xff\xff\xff."))->i, -2);
    assert_int_equal(good(P("\x8a\x08\0\0\0\0\0\0\0\x80."))->i, INT64_MIN);
    assert_true(good(P("G\x3f\xf8\0\0\0\0\0\0."))->f == 1.5);
    Datum *text = good(P("X\3\0\0\0a\0b."));
    assert_true(text->kind == DATUM_STR && str_eq(text->s, (Str){"a\0b", 3}));
    assert_true(str_is(good(P("\x8d\1\0\0\0\0\0\0\0z."))->s, "z"));
    Datum *c = good(P("cbuiltins\ncomplex\nG\x3f\xf0\0\0\0\0\0\0G\xc0\0\0\0\0\0\0\0\x86R."));
    assert_true(c->kind == DATUM_COMPLEX && c->c.re == 1 && c->c.im == -2);
    Datum *device = good(P("ctorch\ndevice\nX\6\0\0\0cuda:1\x85R."));
    assert_true(device->kind == DATUM_DEVICE && str_is(device->s, "cuda:1"));
}

static void test_containers(void **state)
{
    (void)state;
    assert_int_equal(good(P(")."))->count, 0);
    assert_int_equal(good(P("K\1\x85."))->count, 1);
    assert_int_equal(good(P("K\1K\2\x86."))->items[1]->i, 2);
    assert_int_equal(good(P("K\1K\2K\3\x87."))->items[2]->i, 3);
    Datum *t = good(P("(K\1K\2K\3K\4t."));
    assert_true(t->kind == DATUM_TUPLE && t->count == 4 && t->items[3]->i == 4);
    Datum *l = good(P("](K\1K\2eK\3a(K\4K\5K\6K\7e."));
    assert_true(l->kind == DATUM_LIST && l->count == 7 && str_is(l->name, ""));
    for (int i = 0; i < 7; i++)
        assert_int_equal(l->items[i]->i, i + 1);
    l = good(P("(K\1K\2K\3lK\4a."));
    assert_true(l->count == 4 && l->items[3]->i == 4);
    Datum *d = good(P("}(X\1\0\0\0aK\1X\1\0\0\0bK\2uX\1\0\0\0cK\3s."));
    assert_true(d->kind == DATUM_DICT && d->count == 3 && str_is(d->items[4]->s, "c") && d->items[5]->i == 3);
    d = good(P("(K\1K\2K\3K\4d."));
    assert_true(d->count == 2 && d->items[3]->i == 4);
    assert_int_equal(good(P("ccollections\nOrderedDict\n)R."))->kind, DATUM_DICT);
}

static void test_typed_containers(void **state)
{
    (void)state;
    Datum *d = good(P("ctorch.jit._pickle\nbuild_intlist\n](K\1K\2e\x85R."));
    assert_true(d->count == 2 && str_is(d->name, "List[int]"));
    assert_true(
        str_is(good(P("ctorch.jit._pickle\nbuild_doublelist\n]G\0\0\0\0\0\0\0\0a\x85R."))->name, "List[float]"));
    assert_true(str_is(good(P("ctorch.jit._pickle\nbuild_boollist\n]\x88"
                              "a\x85R."))
                           ->name,
                       "List[bool]"));
    assert_true(str_is(good(P("ctorch.jit._pickle\nbuild_tensorlist\n]\x85R."))->name, "List[Tensor]"));
    d = good(P("ctorch.jit._pickle\nrestore_type_tag\n}X\x0e\0\0\0Dict[str, int]\x86R."));
    assert_true(d->kind == DATUM_DICT && str_is(d->name, "Dict[str, int]"));
    bad(P("ctorch.jit._pickle\nbuild_intlist\n]\x88"
          "a\x85R."),
        "item 0 of a List[int]");
    bad(P("ctorch.jit._pickle\nrestore_type_tag\nK\1X\1\0\0\0a\x86R."), "no list or dict");
    bad(P("ctorch.jit._pickle\nbuild_tensor_from_id\nK\0\x85R."), "PyTorch 1.4");
}

static void test_objects(void **state)
{
    (void)state;
    Datum *o = good(P("c__torch__.a.b\nNet\n)\x81}(X\1\0\0\0xK\1X\1\0\0\0yN"
                      "ub."));
    assert_true(o->kind == DATUM_OBJECT && str_is(o->name, "__torch__.a.b.Net"));
    assert_int_equal(datum_attr(o, STR("x"))->i, 1);
    assert_int_equal(datum_attr(o, STR("y"))->kind, DATUM_NONE);
    assert_null(datum_attr(o, STR("z")));
    datum_set_attr(o, &arena, STR("z"), datum_int(&arena, 5));
    datum_set_attr(o, &arena, STR("x"), datum_int(&arena, 6));
    assert_int_equal(datum_attr(o, STR("z"))->i, 5);
    assert_int_equal(datum_attr(o, STR("x"))->i, 6);
    Datum *e = good(P("c__torch__\nColor\nK\2R."));
    assert_true(e->kind == DATUM_ENUM && str_is(e->name, "__torch__.Color") && e->items[0]->i == 2);
    // Identity: one object met twice is one Datum, also behind long memo ids.
    Datum *t = good(P("c__torch__\nA\n)\x81}bq\x05h\5\x86."));
    assert_ptr_equal(t->items[0], t->items[1]);
    t = good(P("(]r\x0a\0\0\0K\1j\x0a\0\0\0t."));
    assert_ptr_equal(t->items[0], t->items[t->count - 1]);
    bad(P("c__torch__\nA\n)\x81}b}b."), "state twice");
    bad(P("c__torch__\nA\nK\1\x85\x81."), "with arguments");
    bad(P("K\1}b."), "no object");
    bad(P("cbuiltins\ncomplex\n)\x81."), "not a class");
}

static void test_hostile(void **state)
{
    (void)state;
    bad(P("cos\nsystem\nX\2\0\0\0ls\x85R."), "'os system'");
    bad(P("cos\nsystem\n."), "at byte 2");
    bad(P("cbuiltins\neval\n."), "could run code");
    bad(P("c__torch__.x;y\nA\n."), "refused");
    bad(P("c__torch__x\nA\n."), "refused");
    bad(P("ctorch\nload\n."), "refused");
    bad((Str){"\x80\x03N.", 4}, "protocol 2");
    bad((Str){"", 0}, "protocol 2");
    bad(P(""), "cut short");
    bad(P("N"), "cut short");
    bad(P("X\xff\xff\xff\xff."), "cut short");
    bad(P("\x8d\xff\xff\xff\xff\xff\xff\xff\xff."), "cut short");
    bad(P("cabc"), "inside a name");
    bad(P("\x93."), "Unknown opcode for unpickling: 0x93");
    bad(P("\x8a\1\1."), "only 8");
    bad(P("."), "0 values");
    bad(P("NN."), "2 values");
    bad(P("(N."), "1 values");
    bad(P("t."), "no mark");
    bad(P("K\1(\x85."), "nothing on the stack");
    bad(P("K\1(K\2K\3\x87."), "nothing on the stack");
    bad(P("R."), "nothing on the stack");
    bad(P("](K\1K\2R."), "no function");
    bad(P("h\0."), "never stored");
    bad(P("Nj\xff\xff\xff\xff."), "never stored");
    bad(P("Nr\xff\xff\xff\xff."), "out of range");
    bad(P("}(K\1u."), "without a value");
    bad(P("(K\1d."), "without a value");
    bad(P("K\1K\2a."), "not a list");
    bad(P("]K\1K\2s."), "not a dict");
    bad(P("]q\0h\0a."), "contain itself");
    bad(P("}q\0K\1h\0s."), "contain itself");
    bad(P("c__torch__\nA\n)\x81q\0}X\1\0\0\0ah\0sb."), "contains itself");
    bad(P("cbuiltins\ncomplex\n."), "in place of a value");
    bad(P("]cbuiltins\ncomplex\na."), "used as a value");
    bad(P("cbuiltins\ncomplex\n\x85."), "in place of a value");
    bad(P("c__torch__\nA\n)\x81"
          "cbuiltins\ncomplex\n\x85"
          "b."),
        "used as a value");
    bad(P("K\1Q."), "persistent id");
    // 2,000 tuples inside one another.
    char deep[2100];
    memcpy(deep, "\x80\x02)", 3);
    memset(deep + 3, 0x85, 2000);
    memcpy(deep + 2003, ".", 2);
    bad((Str){deep, 2004}, "too many containers inside one another (limit 1000)");
}

// ---- tensors ----

static Archive *archive_of(void)
{
    static ZipWriter z;
    static float data[12];
    for (int i = 0; i < 12; i++)
        data[i] = (float)i;
    zip_free(&z);
    zip_text(&z, "m/data.pkl", "\x80\x02).", 0);
    zip_text(&z, "m/constants.pkl", "\x80\x02).", 0);
    zip_text(&z, "m/version", "3", 0);
    zip_add(&z, "m/data/0", data, sizeof data, ZIP_ALIGN);
    zip_add(&z, "m/data/odd", data, sizeof data, 0);
    zip_add(&z, "m/data/small", data, 4, ZIP_DEFLATE);
    zip_end(&z, false);
    Archive *a;
    assert_int_equal(archive_open_memory(z.file.ptr, z.file.len, "m.pt", &a), ST_OK);
    return a;
}

#define STORAGE(type, len, key, device_len, device, numel)                                                             \
    "(X\7\0\0\0storagectorch\n" type "Storage\nX" len "\0\0\0" key "X" device_len "\0\0\0" device numel "tQ"
#define FLOATS STORAGE("Float", "\1", "0", "\3", "cpu", "K\x0c")
#define TENSOR(storage, offset, sizes, strides, rest)                                                                  \
    "ctorch._utils\n_rebuild_tensor_v2\n(" storage offset sizes strides rest "tR"
#define REST                                                                                                           \
    "\x89"                                                                                                             \
    "ccollections\nOrderedDict\n)R"

static Datum *good_in(Archive *a, Str bytes)
{
    Datum *d = NULL;
    if (read_in(a, bytes, &d) != ST_OK)
        fail_msg("%s", status_message());
    return d;
}

static void bad_in(Archive *a, Str bytes, const char *part)
{
    Datum *d;
    Status st = read_in(a, bytes, &d);
    if (st == ST_OK || !strstr(status_message(), part))
        fail_msg("%s where '%s' was expected: %s", status_name(st), part, st == ST_OK ? "" : status_message());
}

static void test_tensors(void **state)
{
    (void)state;
    Archive *a = archive_of();
    DatumTensor *t = good_in(a, P(TENSOR(FLOATS, "K\1", "K\2K\3\x86", "K\4K\1\x86", REST) "."))->tensor;
    assert_true(t->dtype == DT_F32 && t->ndim == 2 && t->size[1] == 3 && t->stride[0] == 4 && t->offset == 1);
    assert_true(t->storage->mapped && t->storage->size == 48 && str_is(t->storage->device, "cpu"));
    assert_true(*(const float *)datum_tensor_data(t) == 1 && !t->requires_grad && !t->conj && !t->quantizer);
    Datum *scalar = good_in(a, P(TENSOR(FLOATS, "K\x0b", ")", ")",
                                        "\x88"
                                        "ccollections\nOrderedDict\n)R") "."));
    assert_true(scalar->tensor->ndim == 0 && scalar->tensor->requires_grad);
    assert_int_equal(datum_tensor_numel(scalar->tensor), 1);
    // Shared through the memo, and through the key.
    Datum *two = good_in(a, P("(" TENSOR(FLOATS "q\1", "K\0", "K\2\x85", "K\0\x85", REST)
                                  TENSOR("h\1", "K\0", "K\1\x85", "K\1\x85", REST)
                                      TENSOR(FLOATS, "K\0", "K\1\x85", "K\1\x85", REST) "t."));
    assert_ptr_equal(two->items[0]->tensor->storage, two->items[1]->tensor->storage);
    assert_ptr_equal(two->items[0]->tensor->storage, two->items[2]->tensor->storage);
    assert_true(datum_equal(two->items[1], two->items[2]) && !datum_equal(two->items[0], two->items[1]));
    // Metadata, subclass wrapper, empty, meta device, unaligned.
    t = good_in(a, P(TENSOR(STORAGE("ComplexFloat", "\1", "0", "\3", "cpu", "K\6"), "K\0", "K\6\x85", "K\1\x85",
                            REST "}(X\4\0\0\0conj\x88X\3\0\0\0neg\x89u") "."))
            ->tensor;
    assert_true(t->conj && !t->neg && t->dtype == DT_C64);
    t = good_in(a, P("ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_tensor_v2\nctorch.nn."
                     "parameter\nParameter\n"
                     "(" FLOATS "K\0K\1\x85K\1\x85" REST "t}tR."))
            ->tensor;
    assert_int_equal(t->ndim, 1);
    t = good_in(a, P(TENSOR(STORAGE("Half", "\4", "none", "\3", "cpu", "K\0"), "K\0", "K\0K\3\x86", "K\3K\1\x86",
                            REST) "."))
            ->tensor;
    assert_true(t->storage->data == NULL && datum_tensor_numel(t) == 0);
    t = good_in(a,
                P(TENSOR(STORAGE("Float", "\4", "none", "\4", "meta", "K\6"), "K\0", "K\6\x85", "K\1\x85", REST) "."))
            ->tensor;
    assert_true(t->storage->data == NULL && t->storage->size == 24);
    t = good_in(a,
                P(TENSOR(STORAGE("Float", "\3", "odd", "\3", "cpu", "K\x0c"), "K\0", "K\x0c\x85", "K\1\x85", REST) "."))
            ->tensor;
    assert_int_equal((uintptr_t)t->storage->data % 4, 0);
    assert_true(((const float *)t->storage->data)[11] == 11);
    archive_close(a);
}

static void test_quantised_and_sparse(void **state)
{
    (void)state;
    Archive *a = archive_of();
#define QBYTES STORAGE("QUInt8", "\1", "0", "\3", "cpu", "K\x0c")
#define ONES "G\x3f\xe0\0\0\0\0\0\0"
    DatumTensor *t = good_in(a, P("ctorch._utils\n_rebuild_qtensor\n(" QBYTES "K\0K\2\x85K\1\x85"
                                  "ctorch\nper_tensor_affine\n" ONES "K\3\x87" REST "tR."))
                         ->tensor;
    assert_true(t->dtype == DT_QU8 && t->quantizer->scheme == 0 && t->quantizer->scale == 0.5 &&
                t->quantizer->zero_point == 3);
#define SCALES TENSOR(FLOATS, "K\0", "K\2\x85", "K\1\x85", REST)
#define CHANNELS(axis)                                                                                                 \
    "ctorch._utils\n_rebuild_qtensor\n(" QBYTES                                                                        \
    "K\0K\2K\3\x86K\3K\1\x86(ctorch\nper_channel_affine\n" SCALES SCALES axis "t" REST "tR."
    t = good_in(a, P(CHANNELS("K\0")))->tensor;
    assert_true(t->quantizer->scheme == 1 && t->quantizer->axis == 0 && t->quantizer->scales->tensor->size[0] == 2);
    bad_in(a, P(CHANNELS("K\1")), "3 channels, 2 scales");
    bad_in(a, P(CHANNELS("K\2")), "axis");
    t = good_in(a, P("ctorch._utils\n_rebuild_sparse_tensor\n(K\1K\5K\5\x86\x89" SCALES SCALES
                     "ccollections\nOrderedDict\n)RtR."))
            ->tensor;
    assert_true(t->sparse && t->size[1] == 5 && t->storage->data == NULL);
    archive_close(a);
}

static void test_bad_tensors(void **state)
{
    (void)state;
    Archive *a = archive_of();
    bad_in(a, P(TENSOR(FLOATS, "K\0", "K\x0d\x85", "K\1\x85", REST) "."),
           "reaches element 12 of storage 0, which has 12");
    bad_in(a, P(TENSOR(FLOATS, "K\x0c", ")", ")", REST) "."), "reaches element 12");
    bad_in(a, P(TENSOR(FLOATS, "K\0", "K\2K\2\x86", "K\x0cK\1\x86", REST) "."), "reaches element 13");
    bad_in(a, P(TENSOR(FLOATS, "K\0", "J\xff\xff\xff\xff\x85", "K\1\x85", REST) "."), "at least 0");
    bad_in(a, P(TENSOR(FLOATS, "J\xff\xff\xff\xff", "K\1\x85", "K\1\x85", REST) "."), "offset");
    bad_in(a, P(TENSOR(FLOATS, "K\0", "K\1\x85", "J\xff\xff\xff\xff\x85", REST) "."), "strides");
    bad_in(a, P(TENSOR(FLOATS, "K\0", "K\1\x85", ")", REST) "."), "1 sizes and 0 strides");
#define LARGE "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"
    bad_in(a, P(TENSOR(FLOATS, "K\0", LARGE "K\3\x86", "K\0K\0\x86", REST) "."), "too many elements");
    bad_in(a, P(TENSOR(FLOATS, "K\0", "K\0" LARGE LARGE "\x87", "K\0K\0K\0\x87", REST) "."), "too many elements");
    bad_in(a, P(TENSOR(FLOATS, "K\0", "K\3\x85", LARGE "\x85", REST) "."), "overflow");
    bad_in(a, P(TENSOR(STORAGE("Float", "\1", "0", "\3", "cpu", LARGE), "K\0", ")", ")", REST) "."), "elements");
    bad_in(a, P(TENSOR(STORAGE("Float", "\1", "0", "\3", "cpu", "K\x0d"), "K\0", ")", ")", REST) "."),
           "needs 52 bytes");
    bad_in(a, P(TENSOR(STORAGE("Float", "\5", "small", "\3", "cpu", "K\2"), "K\0", ")", ")", REST) "."),
           "needs 8 bytes");
    bad_in(a, P(TENSOR(STORAGE("Float", "\1", "7", "\3", "cpu", "K\1"), "K\0", ")", ")", REST) "."),
           "no record data/7");
    bad_in(a, P(TENSOR(STORAGE("Float8_e5m2", "\1", "0", "\3", "cpu", "K\1"), "K\0", ")", ")", REST) "."),
           "Float8_e5m2");
    bad_in(a, P(TENSOR("K\1", "K\0", ")", ")", REST) "."), "storage");
    bad_in(a, P("ctorch._utils\n_rebuild_tensor_v2\n)R."), "storage");
    bad_in(a, P("ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._tensor\n_rebuild_from_type_v2\nN)}tR."), "of itself");
    bad_in(a, P("]" FLOATS "a."), "used as a value");
    bad_in(NULL, P(TENSOR(FLOATS, "K\0", ")", ")", REST) "."), "no archive");
    archive_close(a);
}

// Cut and changed anywhere: an error or a value, nothing else.
static void test_damage(void **state)
{
    (void)state;
    Archive *a = archive_of();
    Str whole = P("(c__torch__\nA\n)\x81}(X\1\0\0\0a" TENSOR(FLOATS, "K\1", "K\2K\3\x86", "K\4K\1\x86",
                                                             REST) "q\1X\1\0\0\0b]q\2(K\1h\1"
                                                                   "ctorch.jit._pickle\nbuild_intlist\n](K\5K\6e\x85R"
                                                                   "eubq\3h\3h\2t.");
    Datum *d;
    assert_int_equal(read_in(a, whole, &d), ST_OK);
    assert_int_equal(d->count, 3);
    for (size_t len = 0; len < whole.len; len++)
        assert_int_equal(read_in(a, str_first(whole, len), &d), ST_BAD_MODEL);
    char *bytes = malloc(whole.len);
    srand(7);
    for (int i = 0; i < 20000; i++) {
        memcpy(bytes, whole.ptr, whole.len);
        for (int k = 0; k <= i % 3; k++)
            bytes[(size_t)rand() % whole.len] = (char)rand();
        if (read_in(a, (Str){bytes, whole.len}, &d) == ST_OK)
            assert_true(d->kind <= DATUM_ENUM);
        if (i % 1000 == 0)
            arena_free(&arena);
    }
    free(bytes);
    archive_close(a);
}

static void test_memory_limit(void **state)
{
    (void)state;
    Arena small = {.limit = 20000};
    Unpickler u = {.record = "test.pkl", .arena = &small};
    static char bytes[6000] = "\x80\x02";
    memset(bytes + 2, ']', sizeof bytes - 2);
    Datum *d;
    assert_int_equal(pickle_read_bytes(&u, (Str){bytes, sizeof bytes}, &d), ST_MEMORY);
    assert_null(small.guard);
    arena_free(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_containers),
        cmocka_unit_test(test_typed_containers),
        cmocka_unit_test(test_objects),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_tensors),
        cmocka_unit_test(test_quantised_and_sparse),
        cmocka_unit_test(test_bad_tensors),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_memory_limit),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
