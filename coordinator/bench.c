// Measures: every lane of every rank calls the method again and again on the same synthetic input.
// Latency percentiles are over all calls; throughput is samples over the time from the common start to the last lane's end.
#include "coordinator/bench.h"

#include "coordinator/report.h"
#include "io/h5_source.h"
#include "io/transform.h"
#include "kernels/copy.h"
#include "worker/tensor.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BENCH_MAX_ARGS = 64, TAG_LATENCIES = 1, LANE_STACK_BYTES = 64 << 20, MAX_LATENCIES = 1 << 20 };

typedef struct Synthetic { // one argument
    const SchemaArg *arg;
    bool given;
    IValue number;      // int, float, bool arguments
    View view;          // tensors; data owned
    size_t bytes;
} Synthetic;

typedef struct Bench {
    Job job;
    Synthetic args[BENCH_MAX_ARGS];
    int count;
    int64_t samples; // per call
} Bench;

typedef struct BenchLane {
    Bench *bench;
    pthread_t thread;
    pthread_barrier_t *begin;
    Lane *lane;
    Instance *instance;
    Status status;
    char message[4096];
    double *seconds; // per measured call
    int64_t calls, capacity;
    double ended;
} BenchLane;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

// Floating types: uniform in [0, 1); integers: 0 to below - 1.
static Status fill(Synthetic *s, int64_t below, uint64_t seed)
{
    int64_t n = view_numel(&s->view);
    s->bytes = (size_t)n * dtype_size((DType)s->view.dtype);
    s->view.data = aligned_alloc(64, (s->bytes + 127) / 64 * 64);
    double *values = malloc((size_t)n * sizeof *values + 1);
    if (!s->view.data || !values) {
        free(values);
        return status_no_memory(s->bytes);
    }
    bool whole = dtype_category((DType)s->view.dtype) == DT_INTEGRAL || s->view.dtype == DT_BOOL;
    for (int64_t i = 0; i < n; i++) {
        double unit = (double)(next_random(&seed) >> 11) * 0x1p-53;
        values[i] = whole ? (double)(int64_t)(unit * (double)(s->view.dtype == DT_BOOL ? 2 : below)) : unit;
    }
    View from = s->view;
    from.data = values;
    from.dtype = DT_F64;
    Status st = copy_convert(&s->view, &from);
    free(values);
    return st;
}

// f32[64,3,224,224] or i64[8,128]<1000
static Status parse_tensor(Synthetic *s, Str text, uint64_t seed)
{
    ptrdiff_t open = str_find(text, '['), close = str_rfind(text, ']');
    DType dtype = open > 0 ? transform_dtype(str_first(text, (size_t)open)) : DT_INVALID;
    if (dtype == DT_INVALID || close < open)
        return status_fail(ST_USAGE, "--input " STR_FMT ": expected a tensor like f32[64,3,224,224] or i64[8,128]<1000", STR_ARG(text));
    int64_t size[H5_MAX_DIMS], below = 10;
    int ndim = 0;
    const char *at = text.ptr + open + 1, *end = text.ptr + close;
    for (double total = 1; at < end;) {
        char *after;
        errno = 0;
        long long v = strtoll(at, &after, 10);
        if (after == at || errno || v < 0 || ndim == H5_MAX_DIMS || (total *= (double)v) > 1e12 || (after < end && *after != ','))
            return status_fail(ST_USAGE, "--input " STR_FMT ": cannot read the shape", STR_ARG(text));
        size[ndim++] = v;
        at = after < end ? after + 1 : end;
    }
    Str bound = str_from(text, (size_t)close + 1);
    if (bound.len > 0 && (bound.ptr[0] != '<' || (below = strtoll(bound.ptr + 1, NULL, 10)) < 1))
        return status_fail(ST_USAGE, "--input " STR_FMT ": behind the shape comes < and a bound of at least 1, or nothing", STR_ARG(text));
    s->view = (View){.dtype = (uint8_t)dtype, .device = DEVICE_CPU};
    view_set_contiguous(&s->view, ndim, size);
    return fill(s, below, seed);
}

static const Type *plain_type(const Type *t) { return t->kind == TYPE_OPTIONAL ? t->elem[0] : t; }

static Status parse_value(Synthetic *s, Str text, uint64_t seed)
{
    const Type *t = plain_type(s->arg->type);
    s->given = true;
    if (t->kind == TYPE_INT)
        s->number = value_int(strtoll(text.ptr, NULL, 10));
    else if (t->kind == TYPE_FLOAT || t->kind == TYPE_NUMBER)
        s->number = value_float(strtod(text.ptr, NULL));
    else if (t->kind == TYPE_BOOL)
        s->number = value_bool(str_is(text, "true") || str_is(text, "True") || str_is(text, "1"));
    else if (t->kind == TYPE_TENSOR || t->kind == TYPE_ANY)
        return parse_tensor(s, text, seed);
    else
        return status_fail(ST_UNSUPPORTED, "argument '" STR_FMT "': bench makes tensors and numbers only", STR_ARG(s->arg->name));
    return ST_OK;
}

// --input texts fill arguments by name (ARG=…) or in order.
static Status parse_inputs(Bench *b)
{
    const Schema *method = model_function(b->job.model)->schema;
    const TextList *inputs = &b->job.options->inputs;
    b->count = (int)method->arg_count - 1;
    if (b->count > BENCH_MAX_ARGS)
        return status_fail(ST_UNSUPPORTED, "the method has %d arguments (limit %d)", b->count, BENCH_MAX_ARGS);
    for (int i = 0; i < b->count; i++)
        b->args[i].arg = &method->args[i + 1];
    for (int i = 0; i < inputs->count; i++) {
        Str text = str_of(inputs->items[i]);
        ptrdiff_t equals = str_find(text, '=');
        int at = 0;
        while (at < b->count && (equals > 0 ? !str_eq(b->args[at].arg->name, str_first(text, (size_t)equals)) : b->args[at].given))
            at++;
        if (at == b->count)
            return status_fail(ST_USAGE, "--input %s: the method has no %s", inputs->items[i], equals > 0 ? "argument of that name" : "argument left");
        TRY(parse_value(&b->args[at], equals > 0 ? str_from(text, (size_t)equals + 1) : text, (uint64_t)b->job.options->seed + (uint64_t)i));
    }
    b->samples = 1;
    for (int i = b->count - 1; i >= 0; i--) {
        const Synthetic *s = &b->args[i];
        if (!s->given && !s->arg->default_value && s->arg->type->kind != TYPE_OPTIONAL)
            return status_fail(ST_USAGE, "no --input for argument '" STR_FMT "'; give its shape: --input '" STR_FMT "=f32[64,3,224,224]'", STR_ARG(s->arg->name), STR_ARG(s->arg->name));
        if (s->view.data && s->view.ndim > 0)
            b->samples = s->view.size[0];
    }
    return ST_OK;
}

static Status make_argument(const Synthetic *s, Lane *lane, IValue *out)
{
    *out = (IValue){.tag = s->arg->default_value ? TAG_UNINITIALIZED : TAG_NONE};
    if (s->view.data) {
        Tensor *t;
        TRY(tensor_borrow(lane, &s->view, s->bytes, &t));
        *out = value_tensor_take(t);
    } else if (s->given) {
        *out = s->number;
    }
    return ST_OK;
}

static Status call_once(BenchLane *l)
{
    const Bench *b = l->bench;
    IValue args[BENCH_MAX_ARGS] = {0}, result;
    Status s = ST_OK;
    int made = 0;
    for (; made < b->count && s == ST_OK; made += s == ST_OK)
        s = make_argument(&b->args[made], l->lane, &args[made]);
    if (s == ST_OK)
        s = instance_call(l->instance, args, b->count, &result);
    if (s == ST_OK)
        value_release(result);
    while (made-- > 0)
        value_release(args[made]);
    return s;
}

static Status note_latency(BenchLane *l, double seconds)
{
    if (l->calls == l->capacity && l->capacity < MAX_LATENCIES) {
        int64_t capacity = l->capacity ? 2 * l->capacity : 1024;
        double *more = realloc(l->seconds, (size_t)capacity * sizeof *more);
        if (!more)
            return status_no_memory((size_t)capacity * sizeof *more);
        l->seconds = more;
        l->capacity = capacity;
    }
    // Beyond the limit the oldest are forgotten: a long run measures its later part.
    l->seconds[l->calls++ % l->capacity] = seconds;
    return ST_OK;
}

static Status measure(BenchLane *l, double start)
{
    const Options *o = l->bench->job.options;
    for (double t = start, after; o->batches ? l->calls < o->batches : t - start < o->seconds || l->calls == 0; t = after) {
        TRY(call_once(l));
        after = now();
        TRY(note_latency(l, after - t));
    }
    return ST_OK;
}

static void *bench_lane(void *arg)
{
    BenchLane *l = arg;
    const Job *j = &l->bench->job;
    l->status = lane_new(&j->kernels, program_types(model_program(j->model)), &l->lane);
    if (l->status == ST_OK)
        l->status = instance_new(j->model, l->lane, &l->instance);
    for (int64_t i = 0; l->status == ST_OK && i < j->options->warmup; i++)
        l->status = call_once(l);
    if (l->status != ST_OK)
        snprintf(l->message, sizeof l->message, "%s", status_message());
    pthread_barrier_wait(l->begin); // all are warm
    pthread_barrier_wait(l->begin); // all ranks are
    if (l->status == ST_OK) {
        l->status = measure(l, now());
        if (l->status != ST_OK)
            snprintf(l->message, sizeof l->message, "%s", status_message());
    }
    l->ended = now();
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

// Nearest-rank percentile of sorted values.
static double percentile(const double *v, int64_t n, double p)
{
    int64_t at = (int64_t)(p / 100 * (double)n + 0.999999) - 1;
    return v[at < 0 ? 0 : at >= n ? n - 1 : at];
}

typedef struct BenchTotal {
    int64_t calls, latencies;
    double seconds; // of the slowest lane
} BenchTotal;

static Status print_bench(const Bench *b, double *latencies, const BenchTotal *total)
{
    const Options *o = b->job.options;
    int ranks = comm_size(b->job.comm);
    qsort(latencies, (size_t)total->latencies, sizeof *latencies, by_value);
    double rate = (double)(total->calls * b->samples) / total->seconds;
    double p50 = percentile(latencies, total->latencies, 50), p90 = percentile(latencies, total->latencies, 90), p99 = percentile(latencies, total->latencies, 99);
    printf("%s: %.6g samples/s (%d rank%s × %d lane%s, %lld samples a call, %lld calls in %.2f s)\n", o->files[0], rate, ranks, ranks == 1 ? "" : "s",
           b->job.lanes, b->job.lanes == 1 ? "" : "s", (long long)b->samples, (long long)total->calls, total->seconds);
    printf("latency of a call: p50 %.4g ms, p90 %.4g ms, p99 %.4g ms, best %.4g ms\n", 1e3 * p50, 1e3 * p90, 1e3 * p99, 1e3 * latencies[0]);
    if (fflush(stdout) != 0)
        return status_fail(ST_IO, "cannot write to stdout");
    if (!o->report)
        return ST_OK;
    Json *root = report_json_head(o, b->job.comm);
    js_integer(root, "lanes", b->job.lanes);
    js_integer(root, "samples_per_call", b->samples);
    js_integer(root, "calls", total->calls);
    js_number(root, "seconds", total->seconds);
    js_number(root, "samples_per_second", rate);
    Json *latency = js_object_in(root, "latency_ms");
    js_number(latency, "p50", 1e3 * p50);
    js_number(latency, "p90", 1e3 * p90);
    js_number(latency, "p99", 1e3 * p99);
    js_number(latency, "best", 1e3 * latencies[0]);
    Status s = js_write(root, o->report);
    js_free(root);
    return s;
}

// Latencies of all ranks arrive at rank 0.
static Status gather(Bench *b, const double *mine, BenchTotal total)
{
    Comm *c = b->job.comm;
    int size = comm_size(c);
    BenchTotal *all = calloc((size_t)size, sizeof *all);
    TRY(comm_agree(c, all ? ST_OK : status_no_memory((size_t)size * sizeof *all)));
    Status s = comm_all_gather(c, &total, sizeof total, all);
    if (s == ST_OK)
        s = comm_send(c, 0, TAG_LATENCIES, mine, (size_t)total.latencies * sizeof *mine);
    BenchTotal sum = {0};
    for (int i = 0; i < size; i++) {
        sum.calls += all[i].calls;
        sum.latencies += all[i].latencies;
        sum.seconds = all[i].seconds > sum.seconds ? all[i].seconds : sum.seconds;
    }
    free(all);
    if (s == ST_OK && comm_rank(c) == 0) {
        double *latencies = malloc((size_t)sum.latencies * sizeof *latencies + 1);
        s = latencies ? ST_OK : status_no_memory((size_t)sum.latencies * sizeof *latencies);
        int64_t at = 0;
        for (int got = 0, idle = 0; s == ST_OK && got < size;) {
            CommMessage m;
            bool there;
            s = comm_take(c, &m, &there);
            if (s != ST_OK || !there) {
                comm_pause(&idle);
                continue;
            }
            memcpy(latencies + at, m.data, m.size);
            at += (int64_t)(m.size / sizeof *latencies);
            comm_message_free(&m);
            got++;
        }
        if (s == ST_OK)
            s = print_bench(b, latencies, &sum);
        free(latencies);
    }
    return comm_agree(c, s);
}

static Status collect(Bench *b, BenchLane *lanes, double start)
{
    BenchTotal total = {0};
    Status s = ST_OK;
    for (int i = 0; i < b->job.lanes; i++) {
        const BenchLane *l = &lanes[i];
        if (l->status != ST_OK && s == ST_OK)
            s = status_fail(l->status, "%s", l->message);
        total.calls += l->calls;
        total.latencies += l->calls < l->capacity ? l->calls : l->capacity;
        total.seconds = l->ended - start > total.seconds ? l->ended - start : total.seconds;
    }
    double *latencies = malloc((size_t)total.latencies * sizeof *latencies + 1);
    if (!latencies && s == ST_OK)
        s = status_no_memory((size_t)total.latencies * sizeof *latencies);
    s = comm_agree(b->job.comm, s);
    for (int64_t i = 0, at = 0; s == ST_OK && i < b->job.lanes; i++) {
        const BenchLane *l = &lanes[i];
        int64_t n = l->calls < l->capacity ? l->calls : l->capacity;
        memcpy(latencies + at, l->seconds, (size_t)n * sizeof *latencies);
        at += n;
    }
    if (s == ST_OK)
        s = gather(b, latencies, total);
    free(latencies);
    return s;
}

static Status profile(Bench *b, BenchLane *lanes)
{
    ProfileTable *t = profile_new();
    TRY(comm_agree(b->job.comm, t ? ST_OK : status_no_memory(1)));
    for (int i = 0; i < b->job.lanes; i++)
        instance_profile(lanes[i].instance, profile_add, t);
    Status s = profile_print(b->job.comm, t);
    profile_free(t);
    return s;
}

static Status run_lanes(Bench *b)
{
    int n = b->job.lanes, started = 0;
    BenchLane *lanes = calloc((size_t)n, sizeof *lanes);
    pthread_barrier_t begin;
    TRY(comm_agree(b->job.comm, lanes ? ST_OK : status_no_memory((size_t)n * sizeof *lanes)));
    pthread_barrier_init(&begin, NULL, (unsigned)n + 1);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, LANE_STACK_BYTES);
    for (; started < n; started++) {
        lanes[started] = (BenchLane){.bench = b, .begin = &begin};
        if (pthread_create(&lanes[started].thread, &attr, bench_lane, &lanes[started]) != 0)
            comm_abort(b->job.comm, status_exit_code(ST_MEMORY)); // lanes already wait at the barrier
    }
    pthread_attr_destroy(&attr);
    pthread_barrier_wait(&begin);
    Status s = comm_agree(b->job.comm, ST_OK);
    double start = now();
    pthread_barrier_wait(&begin);
    for (int i = 0; i < n; i++)
        pthread_join(lanes[i].thread, NULL);
    pthread_barrier_destroy(&begin);
    if (s == ST_OK)
        s = collect(b, lanes, start);
    if (s == ST_OK && b->job.options->profile)
        s = profile(b, lanes);
    for (int i = 0; i < n; i++) {
        if (lanes[i].instance)
            instance_free(lanes[i].instance);
        if (lanes[i].lane)
            lane_free(lanes[i].lane);
        free(lanes[i].seconds);
    }
    free(lanes);
    return s;
}

Status bench_command(Comm *c, const Options *o)
{
    Bench *b = calloc(1, sizeof *b);
    if (!b)
        return status_no_memory(sizeof *b);
    Status s = job_open_model(c, o, &b->job);
    if (s == ST_OK)
        s = comm_agree(c, parse_inputs(b));
    if (s == ST_OK)
        s = run_lanes(b);
    char message[4096];
    snprintf(message, sizeof message, "%s", status_message());
    for (int i = 0; i < b->count; i++)
        free(b->args[i].view.data);
    job_close(&b->job);
    free(b);
    return s == ST_OK ? s : status_fail(s, "%s", message);
}
