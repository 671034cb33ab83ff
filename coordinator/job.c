// Prepares a job on every rank. Each collective step ends in comm_agree, so that no rank waits for one that failed.
#include "coordinator/job.h"

#include "io/base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { MAX_DEFAULT_BATCH = 256, DEFAULT_BATCH_BYTES = 8 << 20, LEAST_BATCHES = 16, RAGGED_ROW_GUESS = 1 << 16 };

double job_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

// Start of the process by the kernel's account; field 22 of /proc/self/stat counts ticks.
static double process_start(void)
{
    double here = job_clock(), start = here;
    FILE *f = fopen("/proc/self/stat", "re");
    char line[1024];
    if (f && fgets(line, sizeof line, f)) {
        char *at = strrchr(line, ')'); // the name may contain anything
        unsigned long long ticks;
        if (at && sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &ticks) == 1)
            start = (double)ticks / (double)sysconf(_SC_CLK_TCK);
    }
    if (f)
        fclose(f);
    // Clocks of containers may be shifted: then count from here.
    return start > here || start < here - 3600 ? here : start;
}

// The leader makes the store; the other ranks of the node attach to it after that.
static Status make_first_store(void *ctx, void *base, size_t size)
{
    return pack_store_attach(ctx, base, size, true);
}

static Status share_packs(Job *j)
{
    if (j->node.size == 1 && comm_size(j->comm) == 1)
        return pack_store_new(&j->packs);
    // Packed and converted copies of a weight are at most a few; pages that stay unused cost nothing.
    size_t size = 4 * (size_t)model_weight_bytes(j->model) + ((size_t)64 << 20);
    TRY(node_memory_share(j->comm, &j->node, j->node.size > 1, size, make_first_store, &j->packs, &j->pack_memory));
    if (!j->packs && j->pack_memory.base)
        return pack_store_attach(&j->packs, j->pack_memory.base, j->pack_memory.size, false);
    return j->packs ? ST_OK : pack_store_new(&j->packs);
}

static Status compile(Job *j)
{
    const Options *o = j->options;
    j->kernels = (KernelContext){.packs = j->packs, .threads = (int)o->threads};
    ModelOptions options = {.method = o->method, .optimize = {.stateful = o->stateful}, .dump_pass = o->dump, .kernels = &j->kernels, .profile = o->profile, .share_constants = j->node.size > 1};
    TRY(model_prepare(j->model, &options, false));
    Str missing = model_missing_in_branches(j->model);
    if (missing.len && !o->dry_run && comm_rank(j->comm) == 0)
        log_warning("%s: the run ends when it reaches one of these operators, which are not supported:" STR_FMT, o->files[0], STR_ARG(missing));
    const Str *paths;
    uint32_t mutated = model_mutated(j->model, &paths);
    if (mutated > 0 && !o->stateful && comm_rank(j->comm) == 0)
        log_warning("%s: the model changes " STR_FMT "%s when it runs; every call starts from what is in the file (--stateful keeps changes)", o->files[0], STR_ARG(paths[0]), mutated > 1 ? " and more" : "");
    return ST_OK;
}

Status job_open_model(Comm *c, const Options *o, Job *out)
{
    *out = (Job){.options = o, .comm = c, .file.memory.fd = -1, .pack_memory.fd = -1};
    Job *j = out;
    j->times.process = process_start();
    j->times.start = job_clock();
    TRY(comm_agree(c, node_discover(c, !o->lanes && !o->stateful, &j->node)));
    j->lanes = o->stateful ? 1 : o->lanes ? (int)o->lanes : j->node.cores / (int)o->threads;
    if (j->lanes < 1)
        j->lanes = 1;
    TRY(model_file_open(c, &j->node, o->files[0], &j->file));
    j->times.opened = job_clock();
    Archive *archive = j->file.archive;
    j->file.archive = NULL;
    TRY(comm_agree(c, model_open_archive(archive, &j->model)));
    j->times.loaded = job_clock();
    TRY(comm_agree(c, share_packs(j)));
    TRY(comm_agree(c, compile(j)));
    j->times.compiled = job_clock();
    return ST_OK;
}

int64_t job_default_batch_size(int64_t rows, int64_t row_bytes)
{
    int64_t size = 1;
    while (2 * size <= MAX_DEFAULT_BATCH && 2 * size * row_bytes <= DEFAULT_BATCH_BYTES && 2 * size * LEAST_BATCHES <= rows)
        size *= 2;
    return size;
}

void job_set_batch_size(Job *j, int64_t batch_size)
{
    int64_t row_bytes = 0;
    for (int i = 0; i < j->binding.columns; i++) {
        const H5ColumnInfo *info = h5_column_info(j->columns[i]);
        row_bytes += info->ragged ? RAGGED_ROW_GUESS : info->row_bytes;
    }
    if (batch_size == 0)
        batch_size = job_default_batch_size(j->rows, row_bytes);
    j->batch_size = batch_size;
    j->batches = (j->rows + batch_size - 1) / batch_size;
    j->input_bytes = batch_size * row_bytes;
}

static Status set_rows(Job *j)
{
    int64_t rows;
    const Range *range = &j->options->range;
    TRY(h5_columns_rows(j->columns, j->binding.columns, &rows));
    if (range->from >= rows)
        return status_fail(ST_USAGE, "--range starts at sample %lld, but %s has %lld samples", (long long)range->from, j->options->files[1], (long long)rows);
    if (range->to != INT64_MAX && range->to > rows)
        return status_fail(ST_USAGE, "--range ends at sample %lld, but %s has %lld samples", (long long)range->to, j->options->files[1], (long long)rows);
    j->first_row = range->from;
    j->rows = (range->to < rows ? range->to : rows) - range->from;
    return ST_OK;
}

static Status open_data(Job *j)
{
    const Options *o = j->options;
    TRY(file_must_exist(o->files[1], ST_BAD_DATA));
    TRY(h5_thread_start(&j->h5));
    TRY(h5_source_open(j->h5, o->files[1], &j->source));
    j->set_count = h5_source_count(j->source);
    j->sets = ARENA_ARRAY(&j->arena, const H5Dataset *, j->set_count + 1);
    if (!j->sets)
        return status_no_memory(j->set_count * sizeof *j->sets);
    for (size_t i = 0; i < j->set_count; i++)
        j->sets[i] = h5_source_at(j->source, i);
    Status s = binding_make(&j->arena, model_function(j->model)->schema, j->sets, j->set_count, &o->inputs, o->per_sample, &j->binding);
    return s == ST_OK ? s : status_context(s, "%s", o->files[1]);
}

static Status open_columns(Job *j)
{
    j->columns = ARENA_ARRAY(&j->arena, H5Column *, j->binding.columns);
    if (!j->columns)
        return status_no_memory((size_t)j->binding.columns * sizeof *j->columns);
    for (int i = 0; i < j->binding.count; i++) {
        const BoundArg *arg = &j->binding.args[i];
        if (arg->column >= 0)
            TRY(h5_column_open(j->source, arg->path, &arg->transform, &j->columns[arg->column]));
    }
    TRY(set_rows(j));
    job_set_batch_size(j, j->options->batch_size);
    return ST_OK;
}

Status job_open_data(Job *j)
{
    Status s = open_data(j);
    if (s == ST_OK)
        s = open_columns(j);
    j->times.bound = job_clock();
    return comm_agree(j->comm, s);
}

void job_close(Job *j)
{
    for (int i = 0; j->columns && i < j->binding.columns; i++)
        if (j->columns[i])
            h5_column_close(j->columns[i]);
    binding_free(&j->binding);
    if (j->source)
        h5_source_close(j->source);
    h5_thread_stop(j->h5);
    pipeline_free(&j->pipeline);
    if (j->model)
        model_free(j->model);
    pack_store_free(j->packs);
    node_memory_free(&j->pack_memory);
    model_file_close(&j->file);
    arena_free(&j->arena);
}
