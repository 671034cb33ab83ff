// Lines of source files, and the way from a byte of an archive's source to the file that its author wrote.
// The second comes from the .debug_pkl records (torchscript.md §1.6).
#include "ir/compile.h"

typedef struct Original { // one `source` tuple of a debug file
    Str file;
    int64_t first_line;
    uint32_t *line_starts; // in its text
    uint32_t line_count;
} Original;

typedef struct Record {
    uint32_t offset; // in the archive's source
    uint32_t start;  // in the original text
    const Original *original;
} Record;

struct SourceMap {
    uint32_t *line_starts;
    uint32_t line_count;
    Record *records;
    uint32_t record_count;
};

// The last entry at or below `at`.
static uint32_t find_line(const uint32_t *starts, uint32_t count, uint32_t at)
{
    uint32_t low = 0, high = count;
    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;
        if (starts[middle] <= at)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static uint32_t *lines_of_text(Arena *a, Str text, uint32_t *count)
{
    uint32_t *starts = NULL, n = 0;
    ARENA_PUSH(a, starts, n, 0);
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '\n')
            ARENA_PUSH(a, starts, n, (uint32_t)i + 1);
    *count = n;
    return starts;
}

static bool is_ints(const Datum *d)
{
    if (!d || (d->kind != DATUM_LIST && d->kind != DATUM_TUPLE))
        return false;
    for (uint32_t i = 0; i < d->count; i++)
        if (d->items[i]->kind != DATUM_INT)
            return false;
    return true;
}

static bool is_tuple(const Datum *d, uint32_t count) { return d && d->kind == DATUM_TUPLE && d->count == count; }

// Both forms: (list of line numbers in the string table, file index, first line) and (text, file or None, first line).
static const Original *read_original(Arena *a, const Datum *source, const Datum *strings)
{
    if (!is_tuple(source, 3) || source->items[2]->kind != DATUM_INT)
        return NULL;
    Original *o = ARENA_NEW(a, Original);
    const Datum *text = source->items[0], *file = source->items[1];
    o->first_line = source->items[2]->i;
    if (text->kind == DATUM_STR) {
        o->line_starts = lines_of_text(a, text->s, &o->line_count);
        if (file->kind == DATUM_STR)
            o->file = file->s;
        return o;
    }
    if (!strings || !is_ints(text) || file->kind != DATUM_INT)
        return NULL;
    uint32_t at = 0;
    ARENA_PUSH(a, o->line_starts, o->line_count, 0);
    for (uint32_t i = 0; i < text->count; i++) {
        int64_t k = text->items[i]->i;
        if (k < 0 || k >= strings->count || strings->items[k]->kind != DATUM_STR)
            return NULL;
        Str line = strings->items[k]->s;
        for (size_t j = 0; j < line.len; j++)
            if (line.ptr[j] == '\n')
                ARENA_PUSH(a, o->line_starts, o->line_count, at + (uint32_t)j + 1);
        at += (uint32_t)line.len;
    }
    if (file->i >= 0 && file->i < strings->count && strings->items[file->i]->kind == DATUM_STR)
        o->file = strings->items[file->i]->s;
    return o;
}

// A debug file that is not as expected is ignored from the first odd record on: it only serves messages.
static void read_records(Arena *a, SourceMap *m, const Datum *debug)
{
    const Datum *strings = NULL, *records = debug;
    if (is_tuple(debug, 3) && debug->items[0]->kind == DATUM_STR) {
        strings = debug->items[1];
        records = debug->items[2];
        if (strings->kind != DATUM_TUPLE)
            return;
    }
    if (!records || records->kind != DATUM_TUPLE)
        return;
    StrMap originals = {0}; // by address of the Datum: many records share one
    for (uint32_t i = 0; i < records->count; i++) {
        const Datum *r = records->items[i];
        if (!r || r->kind != DATUM_TUPLE || r->count < 2 || r->items[0]->kind != DATUM_INT || !is_tuple(r->items[1], 3) ||
            r->items[1]->items[1]->kind != DATUM_INT)
            return;
        Str key = {(const char *)&r->items[1]->items[0], sizeof(Datum *)};
        const Original *o = strmap_get(&originals, key);
        if (!o) {
            if (!(o = read_original(a, r->items[1]->items[0], strings)))
                return;
            strmap_put(&originals, a, key, o);
        }
        Record record = {(uint32_t)r->items[0]->i, (uint32_t)r->items[1]->items[1]->i, o};
        if (m->record_count && m->records[m->record_count - 1].offset > record.offset)
            return;
        ARENA_PUSH(a, m->records, m->record_count, record);
    }
}

static SourceMap *map_of(Program *p, const Source *source)
{
    SourceFile *file = (SourceFile *)source;
    if (!file->map) {
        file->map = ARENA_NEW(p->arena, SourceMap);
        file->map->line_starts = lines_of_text(p->arena, source->text, &file->map->line_count);
        if (source->debug)
            read_records(p->arena, file->map, source->debug);
    }
    return file->map;
}

static const Record *find_record(const SourceMap *m, uint32_t at)
{
    uint32_t low = 0, high = m->record_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (m->records[middle].offset <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? &m->records[low - 1] : NULL;
}

SourceRange source_range(Program *p, const Source *source, Loc loc)
{
    if (loc.start == UINT32_MAX)
        return (SourceRange){0};
    const SourceMap *m = map_of(p, source);
    SourceRange r = {.source = source, .start = loc.start, .end = loc.end};
    const Record *record = find_record(m, loc.start);
    if (record) {
        const Original *o = record->original;
        uint32_t line = find_line(o->line_starts, o->line_count, record->start);
        r.file = o->file;
        r.line = (int)(o->first_line + line);
        r.column = (int)(record->start - o->line_starts[line]);
    } else {
        uint32_t line = find_line(m->line_starts, m->line_count, loc.start);
        r.file = source->file;
        r.line = (int)line + 1;
        r.column = (int)(loc.start - m->line_starts[line]);
    }
    return r;
}
