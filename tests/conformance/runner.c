// Calls methods of saved modules, one per line of standard input, and writes what came of each to standard output:
// what the conformance scripts compare with PyTorch, thousands of calls per process. runner.py is the other side.
//
// A line is PATH, METHOD and MODE, separated by tabs. MODE is o (the graph optimised, as in use) or p (the graph as it
// is), and t after it asks for the value as text, the way print writes it; or t and a number N: optimised, with N as one more
// argument, the number of times to do it, and the value is the nanoseconds of processor time of that call, after a shorter
// one. The arguments are the items of the module's attribute `args_METHOD`, a tuple; without it there are none.
// conformance_runner --check FOLDER … runs forward of every FOLDER/NAME.pt, both ways, and compares what is printed, and the
// result or the end of the message, with NAME.expected; --write FOLDER … makes those files.
// --isa NAME first: with no better instructions than those.
// An answer is four numbers of 32 bits: status, and the bytes of message, printed text and value, which follow.
#include "io/base/buf.h"
#include "kernels/isa.h"
#include "worker/model.h"
#include "worker/tensor.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_ARGS = 64, MAX_COPIES = 256, MAX_DEPTH = 64 };

// ---- arguments of their own: a call may write to them

typedef struct Copies {
    int count;
    Storage *from[MAX_COPIES], *to[MAX_COPIES];
} Copies;

static Status own_storage(Lane *lane, Copies *c, Storage *s, Storage **out)
{
    for (int i = 0; i < c->count; i++)
        if (c->from[i] == s) {
            *out = c->to[i];
            return ST_OK;
        }
    if (c->count == MAX_COPIES)
        return status_fail(ST_BAD_MODEL, "too many storages in arguments (limit %d)", MAX_COPIES);
    TRY(storage_new(lane, s->size, out));
    if (s->size)
        memcpy((*out)->data, s->data, s->size);
    c->from[c->count] = s;
    c->to[c->count++] = *out;
    return ST_OK;
}

// Replaces every tensor in v by one over memory that may be written; views of one storage stay views of one storage.
static Status own_tensors(Lane *lane, Copies *c, IValue *v, int depth)
{
    if (depth > MAX_DEPTH)
        return status_fail(ST_BAD_MODEL, "arguments are nested too deeply (limit %d)", MAX_DEPTH);
    if (v->tag == TAG_TENSOR) {
        Tensor *t = v->as.tensor, *own;
        if (!t->storage || !t->storage->shared)
            return ST_OK;
        Storage *s;
        TRY(own_storage(lane, c, t->storage, &s));
        TRY(tensor_of_storage(lane, s, &t->view, t->offset, &own));
        own->requires_grad = t->requires_grad;
        own->bits = t->bits;
        value_release(*v);
        *v = value_tensor_take(own);
    } else if (v->tag == TAG_LIST) {
        for (uint32_t i = 0; i < v->as.list->len; i++)
            TRY(own_tensors(lane, c, &v->as.list->items[i], depth + 1));
    } else if (v->tag == TAG_TUPLE) {
        for (uint32_t i = 0; i < v->as.tuple->len; i++)
            TRY(own_tensors(lane, c, &v->as.tuple->items[i], depth + 1));
    }
    return ST_OK;
}

static Status arguments(Model *m, Lane *lane, Str method, IValue *tuple)
{
    char name[512];
    snprintf(name, sizeof name, "args_" STR_FMT, STR_ARG(method));
    const ClassDef *cls = model_class(m);
    const Datum *d = datum_attr(model_root(m), str_of(name));
    *tuple = value_none();
    for (uint32_t i = 0; d && i < cls->attr_count; i++)
        if (str_is(cls->attrs[i].name, name)) {
            ValueMemo *memo = NULL;
            Status status = value_from_datum(lane, &memo, d, cls->attrs[i].type, tuple);
            value_memo_free(memo);
            Copies copies = {0};
            if (status == ST_OK)
                status = own_tensors(lane, &copies, tuple, 0);
            for (int k = 0; k < copies.count; k++)
                storage_release(copies.to[k]);
            return status;
        }
    return ST_OK;
}

// ---- values as bytes: a letter for the kind, then numbers of 64 bits in this machine's order

static void put_i64(Buf *b, int64_t v) { buf_bytes(b, (const char *)&v, sizeof v); }
static void put_f64(Buf *b, double v) { buf_bytes(b, (const char *)&v, sizeof v); }

static void put_str(Buf *b, Str s)
{
    put_i64(b, (int64_t)s.len);
    buf_bytes(b, s.ptr, s.len);
}

static Status put_tensor(Lane *lane, Buf *b, Tensor *t)
{
    TRY(tensor_make_plain(lane, t));
    Tensor *c;
    TRY(tensor_contiguous(lane, t, &c));
    put_i64(b, t->view.dtype);
    put_i64(b, t->view.ndim);
    for (int d = 0; d < t->view.ndim; d++)
        put_i64(b, t->view.size[d]);
    for (int d = 0; d < t->view.ndim; d++)
        put_i64(b, t->view.stride[d]);
    put_str(b, (Str){c->view.data, (size_t)tensor_numel(c) * dtype_size(tensor_dtype(c))});
    tensor_release(c);
    return ST_OK;
}

static Status put_value(Lane *lane, Buf *b, IValue v, int depth);

static Status put_items(Lane *lane, Buf *b, const IValue *items, uint32_t n, int depth)
{
    put_i64(b, n);
    for (uint32_t i = 0; i < n; i++)
        TRY(put_value(lane, b, items[i], depth + 1));
    return ST_OK;
}

static Status put_value(Lane *lane, Buf *b, IValue v, int depth)
{
    static const char letters[] = {
        [TAG_NONE] = 'N', [TAG_BOOL] = 'b', [TAG_INT] = 'i', [TAG_FLOAT] = 'f', [TAG_COMPLEX] = 'c', [TAG_STR] = 's', [TAG_TENSOR] = 't',
        [TAG_LIST] = 'l', [TAG_TUPLE] = 'T', [TAG_DICT] = 'd', [TAG_OBJECT] = 'o', [TAG_ENUM] = 'e', [TAG_DEVICE] = 'D',
    };
    char letter = v.tag < sizeof letters && letters[v.tag] ? letters[v.tag] : '?';
    if (depth > MAX_DEPTH)
        letter = '!'; // a container that holds itself
    buf_bytes(b, &letter, 1);
    switch (letter) {
    case 'b': put_i64(b, v.as.b); break;
    case 'i': put_i64(b, v.as.i); break;
    case 'f': put_f64(b, v.as.f); break;
    case 'c':
        put_f64(b, v.as.complex->re);
        put_f64(b, v.as.complex->im);
        break;
    case 's': put_str(b, str_of_value(v)); break;
    case 't': return put_tensor(lane, b, v.as.tensor);
    case 'l': return put_items(lane, b, v.as.list->items, v.as.list->len, depth);
    case 'T': return put_items(lane, b, v.as.tuple->items, v.as.tuple->len, depth);
    case 'd': {
        put_i64(b, dict_len(v.as.dict));
        IValue key, value;
        for (uint32_t at = 0; dict_next(v.as.dict, &at, &key, &value);) {
            TRY(put_value(lane, b, key, depth + 1));
            TRY(put_value(lane, b, value, depth + 1));
        }
        break;
    }
    case 'o':
        put_str(b, v.as.object->cls->name);
        return put_items(lane, b, v.as.object->slots, v.as.object->len, depth);
    case 'e':
        put_str(b, v.as.enumeration->name);
        return put_value(lane, b, v.as.enumeration->value, depth + 1);
    case 'D': {
        Buf text = {0};
        value_print(&text, v);
        put_str(b, buf_view(&text));
        buf_free(&text);
        break;
    }
    default: break;
    }
    return ST_OK;
}

// ---- one call

static Status call(Model *m, Lane *lane, Str method, bool as_text, Buf *value)
{
    Instance *instance;
    IValue tuple, result;
    TRY(arguments(m, lane, method, &tuple));
    Status s = instance_new(m, lane, &instance);
    if (s == ST_OK) {
        const TupleObj *args = tuple.tag == TAG_TUPLE ? tuple.as.tuple : NULL;
        s = instance_call(instance, args ? args->items : NULL, args ? (int)args->len : 0, &result);
        if (s == ST_OK) {
            if (as_text)
                value_print(value, result);
            else
                s = put_value(lane, value, result, 0);
            value_release(result);
        }
        instance_free(instance);
    }
    value_release(tuple);
    return s;
}

static int64_t cpu_time(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); // what else the machine does must not count
    return t.tv_sec * 1000000000 + t.tv_nsec;
}

static Status time_call(Model *m, Lane *lane, Str method, int64_t count, Buf *value)
{
    Instance *instance;
    IValue tuple, result, all[MAX_ARGS + 1];
    TRY(arguments(m, lane, method, &tuple));
    int n = tuple.tag == TAG_TUPLE && tuple.as.tuple->len <= MAX_ARGS ? (int)tuple.as.tuple->len : 0;
    for (int i = 0; i < n; i++)
        all[i] = tuple.as.tuple->items[i];
    Status s = instance_new(m, lane, &instance);
    if (s == ST_OK) {
        int64_t start = 0, counts[2] = {count / 8 + 1, count};
        for (int k = 0; k < 2 && s == ST_OK; k++) {
            all[n] = value_int(counts[k]);
            start = cpu_time();
            s = instance_call(instance, all, n + 1, &result);
            if (s == ST_OK)
                value_release(result);
        }
        buf_bytes(value, "f", 1);
        put_f64(value, (double)(cpu_time() - start));
        instance_free(instance);
    }
    value_release(tuple);
    return s;
}

static Status answer(const char *path, const char *method, const char *mode, Buf *value, FILE *printed)
{
    Model *m;
    PackStore *packs = NULL;
    Lane *lane = NULL;
    TRY(model_open(path, &m));
    Status s = pack_store_new(&packs);
    KernelContext kernels = {.packs = packs, .threads = 1};
    ModelOptions options = {.method = method, .kernels = &kernels, .no_optimize = mode[0] == 'p'};
    if (s == ST_OK)
        s = model_prepare(m, &options, true);
    if (s == ST_OK)
        s = lane_new(&kernels, program_types(model_program(m)), &lane);
    if (s == ST_OK) {
        lane->print_to = printed;
        s = *mode == 't' ? time_call(m, lane, str_of(method), strtoll(mode + 1, NULL, 10), value) : call(m, lane, str_of(method), mode[0] && mode[1] == 't', value);
    }
    if (lane)
        lane_free(lane);
    model_free(m);
    pack_store_free(packs);
    return s;
}

static void reply(Status s, Str message, Str printed, Str value)
{
    uint32_t head[] = {(uint32_t)s, (uint32_t)message.len, (uint32_t)printed.len, (uint32_t)value.len};
    fwrite(head, sizeof head, 1, stdout);
    fwrite(message.ptr, 1, message.len, stdout);
    fwrite(printed.ptr, 1, printed.len, stdout);
    fwrite(value.ptr, 1, value.len, stdout);
    fflush(stdout);
}

// ---- goldens

// What is printed, then the value after "= ", the message's last line after "! " or why it does not load after "? ".
static Status outcome_text(const char *path, const char *mode, Buf *out)
{
    char *printed = NULL;
    size_t printed_len = 0;
    FILE *to = open_memstream(&printed, &printed_len);
    Buf value = {0};
    if (!to)
        return status_no_memory(0);
    status_clear();
    Status s = answer(path, "forward", mode, &value, to);
    fclose(to);
    buf_bytes(out, printed, printed_len);
    if (s == ST_OK) {
        buf_z(out, "= ");
        buf_str(out, buf_view(&value));
    } else {
        const char *text = status_message(), *last = text, *colon = strstr(text, ".pt: ");
        for (const char *p = text; (p = strstr(p, "\nRuntimeError: ")); p++)
            last = p + 1;
        for (const char *p = text; (p = strstr(p, "\nbuiltins.")); p++)
            last = p + 1;
        buf_z(out, s == ST_RAISED ? "! " : "? ");
        buf_z(out, s == ST_RAISED || !colon ? last : colon + 5);
        while (out->len && out->ptr[out->len - 1] == '\n')
            out->len--;
    }
    buf_char(out, '\n');
    free(printed);
    buf_free(&value);
    return ST_OK;
}

static char *read_text(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    char *text = calloc(1, 1 << 20);
    *len = f && text ? fread(text, 1, (1 << 20) - 1, f) : 0;
    if (!f) {
        free(text);
        return NULL;
    }
    fclose(f);
    return text;
}

static int golden(const char *path, bool write)
{
    char expected[4096];
    int failures = 0;
    snprintf(expected, sizeof expected, "%.*s.expected", (int)(strlen(path) - 3), path);
    for (const char *mode = "ot"; mode; mode = *mode == 'o' ? "pt" : NULL) {
        Buf got = {0};
        size_t len = 0;
        outcome_text(path, mode, &got);
        FILE *f = write && *mode == 'o' ? fopen(expected, "wb") : NULL;
        if (f) {
            fwrite(got.ptr, 1, got.len, f);
            fclose(f);
        }
        char *want = read_text(expected, &len);
        if (!want || len != got.len || memcmp(want, got.ptr, len) != 0) {
            printf("%s, %s:\nexpected\n%sgot\n%.*s\n", path, *mode == 'o' ? "optimised" : "as it is", want ? want : "(no file)\n", (int)got.len, got.ptr);
            failures++;
        }
        free(want);
        buf_free(&got);
    }
    return failures;
}

static int goldens(const char *folder, bool write)
{
    struct dirent **names;
    int count = scandir(folder, &names, NULL, alphasort), failures = 0, tried = 0;
    for (int i = 0; i < count; i++) {
        size_t n = strlen(names[i]->d_name);
        char path[2048];
        if (n > 3 && strcmp(names[i]->d_name + n - 3, ".pt") == 0) {
            snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
            failures += golden(path, write);
            tried++;
        }
        free(names[i]);
    }
    if (count >= 0)
        free(names);
    printf("%s: %d archives, %d differ\n", folder, tried, failures);
    return failures || !tried;
}

int main(int argc, char **argv)
{
    if (argc > 2 && (strcmp(argv[1], "--check") == 0 || strcmp(argv[1], "--write") == 0)) {
        int failures = 0;
        for (int i = 2; i < argc; i++)
            failures += goldens(argv[i], argv[1][2] == 'w');
        return failures ? 1 : 0;
    }
    if (argc > 2 && strcmp(argv[1], "--isa") == 0 && kernel_limit_isa(argv[2]) != ST_OK) {
        fprintf(stderr, "%s\n", status_message());
        return 2;
    }
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, stdin) > 0) {
        char *state, *path = strtok_r(line, "\t\n", &state), *method = strtok_r(NULL, "\t\n", &state), *mode = strtok_r(NULL, "\t\n", &state);
        if (!path || !method || !mode) {
            fprintf(stderr, "a line is PATH, METHOD and MODE, separated by tabs\n");
            free(line);
            return 2;
        }
        char *text = NULL;
        size_t text_len = 0;
        FILE *printed = open_memstream(&text, &text_len);
        Buf value = {0};
        status_clear();
        Status s = answer(path, method, mode, &value, printed);
        fclose(printed);
        reply(s, str_of(s == ST_OK ? "" : status_message()), (Str){text, text_len}, s == ST_OK ? buf_view(&value) : (Str){"", 0});
        buf_free(&value);
        free(text);
    }
    free(line);
    return 0;
}
