// Stages: every archive of the tests cut in two at every legal point, the values sent from one model to another of the same
// file, and what comes of it compared bit by bit with a call of the whole method: results, printed text, errors.
// With arguments: test_stage MODEL.pt 8,3,224,224 … does that for one model and tensors of these sizes.
#include "worker/stage.h"

#include "worker/allocator.h"
#include "worker/random.h"
#include "worker/tensor.h"
#include "worker/transfer.h"

#include <dirent.h>
#include <math.h>
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

enum { MAX_ARGS = 8 };

typedef struct Side {
    PackStore *packs;
    Model *model;
    Lane *lane;
    TransferTable *table;
} Side;

static bool side_open(Side *s, const char *path)
{
    ok(pack_store_new(&s->packs));
    KernelContext kernels = {.packs = s->packs, .threads = 1};
    s->model = NULL;
    Status status = model_open(path, &s->model);
    if (status == ST_OK)
        status = model_prepare(s->model, &(ModelOptions){.kernels = &kernels}, true);
    if (status != ST_OK) { // it is there to be refused
        model_free(s->model);
        pack_store_free(s->packs);
        return false;
    }
    ok(lane_new(&kernels, program_types(model_program(s->model)), &s->lane));
    ok(transfer_table_new(s->model, &s->table));
    return true;
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

// ---- arguments

// What to call a model with that brings no arguments: sizes of float tensors.
typedef struct Shapes { const char *name; int count; struct { int ndim; int64_t size[5]; } of[MAX_ARGS]; } Shapes;
static const Shapes shapes[] = {
    {"digits", 1, {{4, {5, 1, 8, 8}}}},         {"quantised", 1, {{4, {2, 2, 5, 5}}}},   {"quantised_1", 1, {{4, {2, 2, 5, 5}}}},
    {"quantised_3", 1, {{4, {2, 2, 5, 5}}}},    {"quantised_new", 1, {{4, {1, 2, 3, 3}}}}, {"branching", 1, {{2, {3, 4}}}},
    {"counting", 1, {{2, {3, 4}}}},             {"named", 2, {{2, {3, 4}}, {2, {3, 4}}}}, {"nested", 1, {{2, {3, 4}}}},
    {"raising", 1, {{2, {3, 4}}}},              {"restoring", 1, {{2, {3, 4}}}},         {"ragged", 1, {{2, {3, 4}}}},
    {"cell_scripted", 2, {{2, {3, 4}}, {2, {3, 4}}}}, {"cell_traced", 2, {{2, {3, 4}}, {2, {3, 4}}}},
    {"gated_cell_scripted", 2, {{2, {3, 4}}, {2, {3, 4}}}}, {"gated_cell_traced", 2, {{2, {3, 4}}, {2, {3, 4}}}},
    {"linear_cell_scripted", 2, {{2, {3, 4}}, {2, {3, 4}}}}, {"linear_cell_traced", 2, {{2, {3, 4}}, {2, {3, 4}}}},
    {"rnn_loop", 1, {{3, {10, 3, 4}}}},         {"wrap_rnn", 1, {{3, {10, 3, 4}}}},
};

// The same tensor over memory of its own that is not the model's.
static Status own_memory(Lane *lane, Tensor *t, Tensor **out)
{
    Storage *s;
    TRY(storage_new(lane, t->storage->size, &s));
    if (t->storage->size)
        memcpy(s->data, t->storage->data, t->storage->size);
    TRY(tensor_of_storage(lane, s, &t->view, t->offset, out));
    (*out)->bits = t->bits;
    storage_release(s);
    return ST_OK;
}

static IValue synthetic(Lane *lane, int ndim, const int64_t *size)
{
    Tensor *t;
    ok(tensor_new(lane, DT_F32, ndim, size, &t));
    for (int64_t i = 0; i < tensor_numel(t); i++)
        ((float *)t->view.data)[i] = (float)sin((double)i * 0.7);
    return value_tensor_take(t);
}

static int arguments(const Side *s, const Shapes *given, IValue *args)
{
    const Datum *d = datum_attr(model_root(s->model), STR("args_forward"));
    int n = 0;
    if (d && d->kind == DATUM_TUPLE) {
        ValueMemo *memo = NULL;
        for (; n < MAX_ARGS && n < (int)d->count; n++) {
            ok(value_from_datum(s->lane, &memo, d->items[n], model_function(s->model)->schema->args[n + 1].type, &args[n]));
            ok(value_change_tensors(s->lane, &args[n], own_memory));
        }
        value_memo_free(memo);
    }
    for (int i = 0; given && i < given->count; i++)
        args[n++] = synthetic(s->lane, given->of[i].ndim, given->of[i].size);
    return n;
}

static void release_all(IValue *values, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        value_release(values[i]);
}

// ---- comparing

static bool same(IValue a, IValue b, int depth);

static bool same_items(const IValue *a, uint32_t na, const IValue *b, uint32_t nb, int depth)
{
    bool equal = na == nb;
    for (uint32_t i = 0; equal && i < na; i++)
        equal = same(a[i], b[i], depth + 1);
    return equal;
}

static bool same_dict(const DictObj *a, const DictObj *b, int depth)
{
    IValue x[2], y[2];
    uint32_t i = 0, k = 0;
    while (dict_next(a, &i, &x[0], &x[1]))
        if (!dict_next(b, &k, &y[0], &y[1]) || !same_items(x, 2, y, 2, depth))
            return false;
    return dict_len(a) == dict_len(b);
}

static bool same(IValue a, IValue b, int depth)
{
    if (a.tag != b.tag)
        return false;
    if (depth > 50)
        return true; // holds itself
    switch ((ValueTag)a.tag) {
    case TAG_FLOAT: return memcmp(&a.as.f, &b.as.f, sizeof a.as.f) == 0;
    case TAG_TENSOR: {
        const View *v = &a.as.tensor->view, *w = &b.as.tensor->view;
        return view_same_signature(v, w) && a.as.tensor->requires_grad == b.as.tensor->requires_grad && (!view_bytes(v) || memcmp(v->data, w->data, view_bytes(v)) == 0);
    }
    case TAG_LIST: return same_items(a.as.list->items, a.as.list->len, b.as.list->items, b.as.list->len, depth);
    case TAG_TUPLE: return same_items(a.as.tuple->items, a.as.tuple->len, b.as.tuple->items, b.as.tuple->len, depth);
    case TAG_DICT: return same_dict(a.as.dict, b.as.dict, depth);
    case TAG_OBJECT:
        return str_eq(a.as.object->cls->name, b.as.object->cls->name) && same_items(a.as.object->slots, a.as.object->len, b.as.object->slots, b.as.object->len, depth);
    case TAG_ENUM: return str_eq(a.as.enumeration->name, b.as.enumeration->name);
    default: return value_equal(a, b);
    }
}

// ---- calls

typedef struct Outcome {
    Status status;
    IValue result;
    char *message, *printed;
    size_t printed_len;
} Outcome;

static void begin(Side *s, FILE *to)
{
    Generator *g;
    ok(lane_generator(s->lane, &g));
    generator_key(g, 5, 17);
    s->lane->print_to = to;
    s->lane->warned = false;
}

static void outcome_free(Outcome *o)
{
    if (o->status == ST_OK)
        values_discard(&o->result, 1, NULL, 0);
    free(o->message);
    free(o->printed);
}

static Outcome call_whole(Side *s, const Shapes *given)
{
    Outcome o = {0};
    FILE *to = open_memstream(&o.printed, &o.printed_len);
    Instance *instance;
    IValue args[MAX_ARGS];
    begin(s, to);
    ok(instance_new(s->model, s->lane, &instance));
    int n = arguments(s, given, args);
    o.status = instance_call(instance, args, n, &o.result);
    o.message = strdup(o.status == ST_OK ? "" : status_message());
    release_all(args, (uint32_t)n);
    instance_free(instance);
    fclose(to);
    return o;
}

typedef struct Message { void *head; TransferPart *parts; uint32_t part_count; size_t size; } Message;

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
    Message m = {aligned_copy(t->head.ptr, t->head.len), malloc((t->part_count + 1) * sizeof *m.parts), t->part_count, t->head.len};
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

// The second half: unpacks and runs the rest.
static void call_second(Side *b, ModelStage *stage, const Message *m, Outcome *o)
{
    Instance *instance;
    uint32_t n = model_stage_inputs(stage);
    IValue *in = calloc(n + 1, sizeof *in);
    TransferReader r = transfer_reader(m->head, m->size, m->parts, m->part_count);
    ok(transfer_unpack_generator(&r, b->lane));
    ok(transfer_unpack(&r, b->table, b->lane, n, in));
    ok(stage_instance_new(stage, b->lane, &instance));
    assert_int_equal(model_stage_outputs(stage), 1);
    o->status = instance_call_stage(instance, in, n, &o->result);
    o->message = strdup(o->status == ST_OK ? "" : status_message());
    values_discard(in, n, &o->result, o->status == ST_OK);
    if (o->status == ST_OK) // off the message, which goes
        ok(value_change_tensors(b->lane, &o->result, own_memory));
    instance_free(instance);
    free(in);
}

// False: the values at this point do not travel.
static bool call_cut(Side *a, Side *b, const Shapes *given, uint32_t at, uint32_t steps, Outcome *o)
{
    ModelStage *first, *second;
    Instance *instance;
    IValue args[MAX_ARGS];
    *o = (Outcome){0};
    ok(model_stage_new(a->model, 0, at, &first));
    ok(model_stage_new(b->model, at, steps, &second));
    uint32_t count = model_stage_outputs(first);
    assert_int_equal(count, model_stage_inputs(second));
    FILE *to = open_memstream(&o->printed, &o->printed_len);
    begin(a, to);
    begin(b, to);
    ok(stage_instance_new(first, a->lane, &instance));
    int n = arguments(a, given, args);
    IValue *live = calloc(count + 1, sizeof *live);
    o->status = instance_call_stage(instance, args, (uint32_t)n, live);
    o->message = o->status == ST_OK ? NULL : strdup(status_message());
    bool travels = true;
    if (o->status == ST_OK) {
        Transfer t = {0};
        ok(transfer_pack_generator(&t, a->lane));
        Status status = transfer_pack(&t, a->table, a->lane, live, count);
        travels = status != ST_UNSUPPORTED;
        if (travels) {
            ok(status);
            Message m = message_of(&t);
            call_second(b, second, &m, o);
            message_free(&m);
        }
        transfer_free(&t);
        values_discard(live, count, NULL, 0);
    }
    free(live);
    values_discard(args, (uint32_t)n, NULL, 0);
    instance_free(instance);
    model_stage_free(first);
    model_stage_free(second);
    fclose(to);
    if (!travels) {
        free(o->message);
        free(o->printed);
    }
    return travels;
}

static int points, calls_that_gave, calls_that_raised, stayed;

static void cut_everywhere(const char *path, const Shapes *given)
{
    Side whole, a, b;
    if (!side_open(&whole, path))
        return;
    assert_true(side_open(&a, path) && side_open(&b, path));
    const CutGraph *cut, *same_cut;
    ok(model_cut_graph(a.model, &cut));
    ok(model_cut_graph(b.model, &same_cut));
    assert_int_equal(cut->step_count, same_cut->step_count);
    Outcome want = call_whole(&whole, given), again = call_whole(&whole, given);
    bool repeats = want.status == again.status && (want.status != ST_OK || same(want.result, again.result, 0));
    outcome_free(&again);
    assert_true(repeats);
    want.status == ST_OK ? calls_that_gave++ : calls_that_raised++;
    for (uint32_t at = 1; at < cut->step_count; at++) {
        if (cut->points[at].refusal)
            continue;
        Outcome got;
        if (!call_cut(&a, &b, given, at, cut->step_count, &got)) {
            stayed++;
            continue;
        }
        points++;
        if (got.status != want.status || strcmp(got.message, want.message) != 0)
            fail_msg("%s, point %u: %s: %s, instead of %s: %s", path, at, status_name(got.status), got.message, status_name(want.status), want.message);
        if (got.status == ST_OK && !same(got.result, want.result, 0))
            fail_msg("%s, point %u: another result", path, at);
        if (got.printed_len != want.printed_len || memcmp(got.printed, want.printed, got.printed_len) != 0)
            fail_msg("%s, point %u: printed %s instead of %s", path, at, got.printed, want.printed);
        outcome_free(&got);
    }
    outcome_free(&want);
    side_close(&a);
    side_close(&b);
    side_close(&whole);
}

static void cut_folder(const char *folder)
{
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (const struct dirent *e; (e = readdir(d));) {
        size_t len = strlen(e->d_name);
        if (len < 4 || strcmp(e->d_name + len - 3, ".pt") != 0)
            continue;
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        const Shapes *given = NULL;
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            if (strlen(shapes[i].name) == len - 3 && memcmp(shapes[i].name, e->d_name, len - 3) == 0)
                given = &shapes[i];
        cut_everywhere(path, given);
    }
    closedir(d);
}

static void test_archives(void **state)
{
    (void)state;
    cut_folder(TEST_DATA);
    cut_folder(TEST_DATA "/tutorial");
    cut_folder(TEST_DATA "/archives");
    cut_folder(TEST_DATA "/programs");
    cut_folder(TEST_DATA "/../../deploy/demo");
    print_message("%d cuts of %d models that give a result and %d that raise; at %d points values do not travel\n", points, calls_that_gave,
                  calls_that_raised, stayed);
    assert_true(points > 100 && calls_that_gave > 20);
}

static void test_no_stages_of_what_is_not_optimised(void **state)
{
    (void)state;
    Model *m;
    const CutGraph *cut;
    ModelStage *stage;
    KernelContext kernels = {.threads = 1};
    ok(model_open(TEST_DATA "/named.pt", &m));
    ok(model_prepare(m, &(ModelOptions){.kernels = &kernels, .no_optimize = true}, true));
    assert_int_equal(model_cut_graph(m, &cut), ST_UNSUPPORTED);
    model_free(m);
    ok(model_open(TEST_DATA "/named.pt", &m));
    ok(model_prepare(m, &(ModelOptions){.kernels = &kernels}, true));
    ok(model_cut_graph(m, &cut));
    assert_int_equal(model_stage_new(m, 1, 1, &stage), ST_INTERNAL);
    assert_int_equal(model_stage_new(m, 0, cut->step_count + 1, &stage), ST_INTERNAL);
    model_free(m);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        Shapes given = {.count = argc - 2 < MAX_ARGS ? argc - 2 : MAX_ARGS};
        for (int i = 0; i < given.count; i++)
            for (char *at = argv[i + 2]; *at && given.of[i].ndim < 5; at += *at == ',')
                given.of[i].size[given.of[i].ndim++] = strtoll(at, &at, 10);
        cut_everywhere(argv[1], &given);
        printf("%d cuts, %d results, %d raised, %d points where values do not travel\n", points, calls_that_gave, calls_that_raised, stayed);
        return 0;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_archives), cmocka_unit_test(test_no_stages_of_what_is_not_optimised)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
