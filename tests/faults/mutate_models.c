// Models with one record damaged inside an intact archive: each loads, prints and runs, or is refused with a message.
// Crashes, sanitizer reports, internal errors, hangs before the run and huge memory are failures.
//
// usage: mutate_models COUNT SEED FOLDER MODEL.pt[:SHAPE,SHAPE…] …      a SHAPE is 3x4; tensor arguments take them in order
// Every mutation runs in a process of its own. A failing archive stays in FOLDER with what was said about it.
#include "io/base/buf.h"
#include "ir/cut.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "tests/unit/io/zip_writer.h"
#include "worker/model.h"
#include "worker/tensor.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_MODELS = 64, MAX_SHAPES = 4, MAX_ARGS = 16, SECONDS = 20, MOST_MEGABYTES = 3000 };

typedef struct Seed {
    const char *path;
    Archive *archive;
    int64_t size[MAX_SHAPES][VIEW_MAX_DIMS];
    int ndim[MAX_SHAPES], shape_count;
} Seed;

static uint64_t random_state;

static uint64_t draw(uint64_t below)
{
    uint64_t z = (random_state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return below ? (z ^ (z >> 31)) % below : 0;
}

// ---- what is done to the bytes of a record

static void replace(Buf *b, size_t at, size_t old, const char *text, size_t len)
{
    Buf made = {0};
    buf_bytes(&made, b->ptr, at);
    buf_bytes(&made, text, len);
    buf_bytes(&made, b->ptr + at + old, b->len - at - old);
    buf_free(b);
    *b = made;
}

static bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.'; }

// A random word, or sign, of the text.
static Str pick_token(const Buf *b)
{
    size_t at = draw(b->len), end;
    while (at > 0 && is_word(b->ptr[at]) && is_word(b->ptr[at - 1]))
        at--;
    for (end = at + 1; end < b->len && is_word(b->ptr[at]) && is_word(b->ptr[end]);)
        end++;
    return (Str){b->ptr + at, end - at};
}

static Str pick_line(const Buf *b)
{
    size_t at = draw(b->len), end = at;
    while (at > 0 && b->ptr[at - 1] != '\n')
        at--;
    while (end < b->len && b->ptr[end] != '\n')
        end++;
    return (Str){b->ptr + at, end < b->len ? end + 1 - at : end - at};
}

static const char *const words[] = {
    "0", "1", "-1", "2", "9223372036854775807", "-9223372036854775808", "4294967296", "99999999999999999999", "1e308", "inf", "nan",
    "None", "True", "[]", "()", "{}", "x", "self", "Tensor", "int", "float", "str", "List[int]", "Optional[Tensor]", "Dict[str, Tensor]",
    "torch.add", "torch.mul", "torch.cat", "torch.reshape", "torch.unsqueeze", "torch.slice", "torch.select", "torch.expand", "torch.zeros",
    "torch.transpose", "torch.permute", "torch.sum", "torch.conv2d", "torch.linear", "torch.softmax", "torch.as_strided", "torch.len",
    "torch.append", "torch.view", "torch.squeeze", "torch.split", "torch.chunk", "torch.matmul", "torch.index", "annotate", "unchecked_cast",
    "torch.unfold", "torch.gather", "torch.pad", "torch.repeat", "torch.narrow", "torch.flatten", "torch.roll", "torch.topk", "torch.sort",
    "torch.arange", "torch.full", "torch.embedding", "torch.layer_norm", "torch.max_pool2d", "torch.batch_norm", "torch.stack", "torch.cumsum",
    "return", "if", "while", "for", "range(3)", "in", "not", "is", "and", "lambda", "class", "def", "\n", "  ", ",", ":", "=", "\"", "(", ")", "[",
    "]", "\\", "#", "**", "*", "//", "%", "@", "uninitialized(Tensor)", "torch.device(\"cuda\")", "fork", "CONSTANTS.c0",
};

static bool is_number(Str s) { return s.len > 0 && ((s.ptr[0] >= '0' && s.ptr[0] <= '9') || (s.len > 1 && s.ptr[0] == '-')); }
static bool is_operator(Str s) { return str_starts(s, STR("torch.")); }

static void mutate_text(Buf *b)
{
    Str a = pick_token(b), c = pick_token(b), line = pick_line(b);
    char *copy = malloc(b->len + 1);
    size_t from = (size_t)(a.ptr - b->ptr), len = c.len;
    switch (draw(12)) {
    case 8: case 9: case 10: case 11: // a number for another, an operator for another
        for (int tries = 0; tries < 50 && !is_number(a) && !is_operator(a); tries++)
            a = pick_token(b);
        from = (size_t)(a.ptr - b->ptr);
        for (bool number = is_number(a);;) {
            const char *w = words[draw(sizeof words / sizeof *words)];
            if (number ? is_number(str_of(w)) : is_operator(str_of(w))) {
                replace(b, from, a.len, w, strlen(w));
                break;
            }
        }
        break;
    case 0: case 1: // a word for another of the same text
        memcpy(copy, c.ptr, len);
        replace(b, from, a.len, copy, len);
        break;
    case 2: case 3: { // a word for one of the list
        const char *w = words[draw(sizeof words / sizeof *words)];
        replace(b, from, a.len, w, strlen(w));
        break;
    }
    case 4: { // a word is put in
        const char *w = words[draw(sizeof words / sizeof *words)];
        replace(b, from, 0, w, strlen(w));
        break;
    }
    case 5: // a word goes
        replace(b, from, a.len, "", 0);
        break;
    case 6: // a line goes
        replace(b, (size_t)(line.ptr - b->ptr), line.len, "", 0);
        break;
    default: // a line is repeated elsewhere
        len = line.len;
        memcpy(copy, line.ptr, len);
        line = pick_line(b);
        replace(b, (size_t)(line.ptr - b->ptr), draw(2) ? line.len : 0, copy, len);
    }
    free(copy);
}

static void mutate_bytes(Buf *b)
{
    static const unsigned char opcodes[] = "\x80(.012FGIJKLMNPQRSTUVX]abcdeghijlopqrstu})\x81\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x90\x93\x94";
    size_t at = draw(b->len), len = 1 + draw(8), to = draw(b->len);
    if (at + len > b->len)
        len = b->len - at;
    char copy[8];
    memcpy(copy, b->ptr + at, len);
    switch (draw(7)) {
    case 0: b->ptr[at] ^= (char)(1 << draw(8)); break;
    case 1: b->ptr[at] = (char)opcodes[draw(sizeof opcodes - 1)]; break;
    case 2: b->ptr[at] = (char)draw(256); break;
    case 3: memset(b->ptr + at, draw(2) ? 0xff : 0, len); break;
    case 4: replace(b, at, len, "", 0); break;
    case 5: replace(b, to, 0, copy, len); break;
    default: replace(b, to, b->len - to < len ? b->len - to : len, copy, len);
    }
}

static bool is_text(Str name) { return str_ends(name, STR(".py")); }

// The archive with one record changed once to four times; its name is put at `what`.
static void make_archive(const Seed *seed, ZipWriter *z, char *what, size_t what_size)
{
    size_t count = archive_count(seed->archive), chosen, tries = 0;
    const ArchiveRecord *r;
    do { // mostly code and data.pkl
        chosen = draw(count);
        r = archive_at(seed->archive, chosen);
    } while (r->size == 0 || (!is_text(r->name) && !str_is(r->name, "data.pkl") && tries++ < 6));
    snprintf(what, what_size, STR_FMT, STR_ARG(r->name));
    for (size_t i = 0; i < count; i++) {
        const ArchiveRecord *record;
        if (archive_read(seed->archive, archive_at(seed->archive, i)->name, &record) != ST_OK)
            continue;
        Buf b = {0};
        buf_bytes(&b, record->data, record->size);
        if (i == chosen)
            for (uint64_t n = draw(3) ? 1 : 1 + draw(4); n > 0 && b.len > 0; n--)
                (is_text(record->name) && draw(8) ? mutate_text : mutate_bytes)(&b);
        char name[1024];
        snprintf(name, sizeof name, "m/" STR_FMT, STR_ARG(record->name));
        zip_add(z, name, b.ptr ? b.ptr : "", b.len, 0);
        buf_free(&b);
    }
    zip_end(z, false);
}

// ---- what is done with the archive, in a process of its own

enum { STAGE_LOAD, STAGE_PRINT, STAGE_PREPARE, STAGE_RUN, STAGE_END };
static const char *const stage_names[] = {"load", "print", "prepare", "run", "end"};

typedef struct Shared { // with the process that tries
    int stage;
    int status;
} Shared;

static Status make_argument(const Seed *seed, Lane *lane, const Type *t, int *shape, IValue *out)
{
    *out = value_none();
    if (t->kind == TYPE_INT)
        *out = value_int(2);
    else if (t->kind == TYPE_FLOAT)
        *out = value_float(0.5);
    else if (t->kind == TYPE_BOOL)
        *out = value_bool(true);
    else if (t->kind == TYPE_TENSOR) {
        int i = seed->shape_count ? *shape % seed->shape_count : -1;
        ++*shape;
        Tensor *x;
        TRY(tensor_new(lane, DT_F32, i < 0 ? 2 : seed->ndim[i], i < 0 ? (int64_t[]){3, 4} : seed->size[i], &x));
        for (int64_t k = 0; k < tensor_numel(x); k++)
            ((float *)x->view.data)[k] = (float)draw(1000) * 0.001f;
        *out = value_tensor_take(x);
    } else if (t->kind == TYPE_LIST) {
        ListObj *list = list_new(t->elem[0], 2);
        if (!list)
            return ST_MEMORY;
        for (int k = 0; k < 2; k++) {
            IValue item;
            TRY(make_argument(seed, lane, t->elem[0], shape, &item));
            TRY(list_push_take(list, item));
        }
        *out = value_list_take(list);
    }
    return ST_OK;
}

static Status call(const Seed *seed, Model *m, Lane *lane, Instance *instance)
{
    const Schema *method = model_function(m)->schema;
    IValue args[MAX_ARGS] = {0}, result;
    int n = (int)method->arg_count - 1, shape = 0;
    if (n > MAX_ARGS)
        return ST_OK;
    Status s = ST_OK;
    for (int i = 0; i < n && s == ST_OK; i++)
        s = make_argument(seed, lane, method->args[i + 1].type, &shape, &args[i]);
    for (int k = 0; k < 2 && s == ST_OK; k++) {
        s = instance_call(instance, args, n, &result);
        if (s == ST_OK) {
            Buf text = {0};
            if (result.tag != TAG_OBJECT)
                value_print(&text, result);
            buf_free(&text);
            value_release(result);
        }
    }
    for (int i = 0; i < n; i++)
        value_release(args[i]);
    return s;
}

// Both sides of every cut are graphs.
static Status cut_model(Model *m)
{
    CutGraph c;
    Graph *stage;
    uint32_t last = 0;
    TRY(cut_analyse(program_arena(model_program(m)), model_graph(m), model_root(m), &c));
    for (uint32_t p = 1; p <= c.step_count; p++) {
        if (c.points[p].refusal)
            continue;
        TRY(cut_stage(&c, last, p, &stage));
        TRY(graph_verify(stage));
        last = p;
    }
    return ST_OK;
}

static Status run_model(const Seed *seed, Model *m, const KernelContext *kernels, bool plain, Shared *shared)
{
    shared->stage = STAGE_PREPARE;
    ModelOptions options = {.method = "forward", .kernels = kernels, .no_optimize = plain};
    TRY(model_prepare(m, &options, true));
    if (!plain)
        TRY(cut_model(m));
    Lane *lane;
    Instance *instance;
    TRY(lane_new(kernels, program_types(model_program(m)), &lane));
    lane->print_to = stderr;
    Status s = instance_new(m, lane, &instance);
    if (s == ST_OK) {
        shared->stage = STAGE_RUN;
        s = call(seed, m, lane, instance);
        instance_free(instance);
    }
    lane_free(lane);
    return s;
}

static Status use_archive(const Seed *seed, Str bytes, Shared *shared)
{
    shared->stage = STAGE_LOAD;
    Archive *archive;
    TRY(archive_open_memory(bytes.ptr, bytes.len, "mutated.pt", &archive));
    Model *m;
    TRY(model_open_archive(archive, &m));
    shared->stage = STAGE_PRINT;
    Buf text = {0};
    module_print_tree(&text, model_root(m));
    const Function *f = class_method(model_class(m), STR("forward"));
    Status s = ST_OK;
    if (f) {
        graph_print(&text, f->graph);
        s = code_print(&text, model_program(m), f);
    }
    buf_free(&text);
    PackStore *packs;
    bool plain = draw(4) == 0;
    if (f && s == ST_OK && (s = pack_store_new(&packs)) == ST_OK) {
        KernelContext kernels = {.packs = packs, .threads = 1, .reference_only = draw(3) == 0};
        s = run_model(seed, m, &kernels, plain, shared);
        model_free(m);
        pack_store_free(packs);
        return s;
    }
    model_free(m);
    return s;
}

static void keep(const char *folder, uint64_t number, const char *kind, Str bytes)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%llu.%s", folder, (unsigned long long)number, kind);
    FILE *f = fopen(path, "wb");
    if (f) {
        fwrite(bytes.ptr, 1, bytes.len, f);
        fclose(f);
    }
}

static void read_all(int fd, Buf *out)
{
    char part[4096];
    lseek(fd, 0, SEEK_SET);
    for (ssize_t n; (n = read(fd, part, sizeof part)) > 0 && out->len < 1 << 20;)
        buf_bytes(out, part, (size_t)n);
}

// True when the mutation did no harm. `counts` per status of those.
static bool try_one(const Seed *seed, uint64_t number, const char *folder, Shared *shared, int *counts)
{
    ZipWriter z = {0};
    char record[256];
    make_archive(seed, &z, record, sizeof record);
    Str bytes = buf_view(&z.file);
    int said = memfd_create("said", 0);
    *shared = (Shared){.status = -1};
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        dup2(said, STDOUT_FILENO);
        dup2(said, STDERR_FILENO);
        alarm(SECONDS);
        Status s = use_archive(seed, bytes, shared);
        shared->status = (int)s;
        fprintf(stderr, "%s at %s: %s\n", status_name(s), stage_names[shared->stage], s == ST_OK ? "" : status_message());
        zip_free(&z);
        exit(s != ST_OK && status_message()[0] == '\0' ? 9 : 0);
    }
    int state = 0;
    struct rusage use = {0};
    wait4(child, &state, 0, &use);
    bool endless = WIFSIGNALED(state) && WTERMSIG(state) == SIGALRM;
    const char *fault = endless && shared->stage != STAGE_RUN                    ? "hangs"
                        : !endless && WIFSIGNALED(state)                         ? "crashes"
                        : !endless && WEXITSTATUS(state) == 9                    ? "has no message"
                        : !endless && WEXITSTATUS(state) != 0                    ? "is reported by a sanitizer"
                        : shared->status == ST_INTERNAL                          ? "is an internal error"
                        : shared->status == ST_DECLINED                          ? "is declined"
                        : use.ru_maxrss > MOST_MEGABYTES * 1024L                 ? "takes huge memory"
                                                                                 : NULL;
    Buf text = {0};
    if (fault) {
        read_all(said, &text);
        keep(folder, number, "pt", bytes);
        keep(folder, number, "txt", buf_view(&text));
        printf("FAIL %llu (%s, record %s) %s at %s\n", (unsigned long long)number, seed->path, record, fault, stage_names[shared->stage]);
    } else {
        if (getenv("TSB_MUTATE_VERBOSE")) {
            read_all(said, &text);
            printf("%llu %s %s: " STR_FMT, (unsigned long long)number, seed->path, record, STR_ARG(buf_view(&text)));
        }
        counts[shared->status < 0 ? ST_INTERRUPTED : shared->status]++;
    }
    buf_free(&text);
    close(said);
    zip_free(&z);
    return !fault;
}

static void parse_seed(char *text, Seed *s)
{
    char *colon = strchr(text, ':');
    if (colon)
        *colon = '\0';
    s->path = text;
    for (char *at = colon ? colon + 1 : text + strlen(text); *at && s->shape_count < MAX_SHAPES; at += *at == ',') {
        int *n = &s->ndim[s->shape_count];
        do
            s->size[s->shape_count][(*n)++] = strtoll(at, &at, 10);
        while (*at == 'x' && *n < VIEW_MAX_DIMS && at++);
        s->shape_count++;
    }
    if (archive_open(s->path, &s->archive) != ST_OK) {
        printf("%s: %s\n", s->path, status_message());
        exit(2);
    }
}

int main(int argc, char **argv)
{
    static Seed seeds[MAX_MODELS];
    if (argc < 5 || argc - 4 > MAX_MODELS) {
        printf("usage: %s COUNT SEED FOLDER MODEL.pt[:SHAPE,SHAPE]...\n", argv[0]);
        return 2;
    }
    uint64_t count = strtoull(argv[1], NULL, 10), first = strtoull(argv[2], NULL, 10), failed = 0;
    int models = argc - 4, counts[ST_INTERRUPTED + 1] = {0};
    for (int i = 0; i < models; i++)
        parse_seed(argv[4 + i], &seeds[i]);
    Shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (uint64_t i = first; i < first + count; i++) {
        random_state = i * 0x2545f4914f6cdd1du;
        draw(2);
        failed += !try_one(&seeds[draw((uint64_t)models)], i, argv[3], shared, counts);
        fflush(stdout);
    }
    printf("%llu mutations, %llu failed;", (unsigned long long)count, (unsigned long long)failed);
    for (int s = 0; s <= ST_INTERRUPTED; s++)
        if (counts[s])
            printf(" %s %d", s == ST_INTERRUPTED ? "endless loop" : status_name((Status)s), counts[s]);
    printf("\n");
    return failed > 0 || counts[ST_OK] == 0;
}
