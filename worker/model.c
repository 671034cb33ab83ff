// Loading a model: archive -> data and program. Nothing is executed here.
// Source files are handed to the program when it asks for them, debug files with them.
#include "worker/model.h"

#include "worker/model_parts.h"

#include <stdlib.h>

// "__torch__.a.b" -> "code/__torch__/a/b.py"
static Str source_name(Arena *a, Str prefix)
{
    char *name = arena_alloc(a, prefix.len + sizeof "code/.py");
    if (!name)
        return (Str){NULL, 0};
    size_t n = 0;
    memcpy(name, "code/", 5);
    n = 5;
    for (size_t i = 0; i < prefix.len; i++)
        name[n++] = prefix.ptr[i] == '.' ? '/' : prefix.ptr[i];
    memcpy(name + n, ".py", 4);
    return (Str){name, n + 3};
}

// Debug files only improve messages: one that cannot be read is as good as none.
static Status read_debug(Model *m, Str file, Datum **out)
{
    Str name = arena_printf(&m->arena, STR_FMT ".debug_pkl", STR_ARG(file));
    if (!name.ptr)
        return ST_MEMORY;
    if (!archive_has(m->archive, name))
        return ST_OK;
    const ArchiveRecord *record;
    Status s = archive_read(m->archive, name, &record);
    Unpickler u = {.archive = m->archive, .record = name.ptr, .storage_prefix = "", .arena = &m->arena};
    if (s == ST_OK)
        s = pickle_read_bytes(&u, (Str){(const char *)record->data, record->size}, out);
    if (s == ST_OK || s == ST_MEMORY)
        return s;
    *out = NULL;
    status_clear();
    return ST_OK;
}

static Status find_source(void *ctx, Str prefix, Str *file, Str *text, Datum **debug)
{
    Model *m = ctx;
    *file = source_name(&m->arena, prefix);
    *text = (Str){NULL, 0};
    if (!file->ptr)
        return status_no_memory(prefix.len);
    if (!archive_has(m->archive, *file))
        return ST_OK;
    const ArchiveRecord *record;
    TRY(archive_read(m->archive, *file, &record));
    *text = (Str){record->size ? (const char *)record->data : "", record->size};
    return read_debug(m, *file, debug);
}

static uint64_t storage_bytes(const Unpickler *u)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < u->storages.capacity; i++)
        if (u->storages.slots[i].value)
            bytes += ((const DatumStorage *)u->storages.slots[i].value)->size;
    return bytes;
}

static Status load(Model *m)
{
    const char *path = archive_path(m->archive);
    Unpickler data = {.archive = m->archive, .record = "data.pkl", .storage_prefix = "data/", .arena = &m->arena};
    TRY(pickle_read(&data, &m->root));
    Unpickler constants = {.archive = m->archive, .record = "constants.pkl", .storage_prefix = "constants/", .arena = &m->arena};
    TRY(pickle_read(&constants, &m->constants));
    if (m->root->kind != DATUM_OBJECT)
        return status_fail(ST_BAD_MODEL, "%s: data.pkl: a module was expected", path);
    if (m->constants->kind != DATUM_TUPLE && m->constants->kind != DATUM_LIST)
        return status_fail(ST_BAD_MODEL, "%s: constants.pkl: a tuple was expected", path);
    m->weight_bytes = storage_bytes(&data) + storage_bytes(&constants);
    ProgramOptions options = {
        .sources = {find_source, m},
        .constants = m->constants->items,
        .constant_count = m->constants->count,
        .version = archive_version(m->archive),
    };
    TRY(program_new(&m->arena, &options, &m->program));
    // Classes of constants are needed before code that uses them is compiled.
    TRY(program_bind_datum(m->program, m->constants, "constants.pkl"));
    TRY(program_bind_datum(m->program, m->root, "data.pkl"));
    if (!m->root->cls)
        return status_fail(ST_BAD_MODEL, "%s: data.pkl: " STR_FMT " is not a module", path, STR_ARG(m->root->name));
    m->cls = m->root->cls;
    return ST_OK;
}

Status model_open_archive(Archive *archive, Model **out)
{
    Model *m = calloc(1, sizeof *m);
    if (!m) {
        archive_close(archive);
        return status_no_memory(sizeof *m);
    }
    m->archive = archive;
    Status status = load(m);
    if (status != ST_OK) {
        if (!strstr(status_message(), archive_path(archive)))
            status_context(status, "%s", archive_path(archive));
        model_free(m);
        return status;
    }
    *out = m;
    return ST_OK;
}

Status model_open(const char *path, Model **out)
{
    Archive *archive;
    TRY(archive_open(path, &archive));
    return model_open_archive(archive, out);
}

void model_free(Model *m)
{
    if (!m)
        return;
    arena_free(&m->arena);
    archive_close(m->archive);
    buf_free(&m->missing_in_branches);
    free(m);
}

Program *model_program(Model *m) { return m->program; }
Datum *model_root(Model *m) { return m->root; }
Archive *model_archive(Model *m) { return m->archive; }
const ClassDef *model_class(Model *m) { return m->cls; }
const Function *model_function(Model *m) { return m->function; }
const Graph *model_graph(Model *m) { return m->code ? m->code->graph : NULL; }
uint64_t model_weight_bytes(Model *m) { return m->weight_bytes; }
Str model_missing_in_branches(const Model *m) { return buf_view(&m->missing_in_branches); }

uint32_t model_mutated(Model *m, const Str **paths)
{
    *paths = m->optimized.mutated;
    return m->optimized.mutated_count;
}
