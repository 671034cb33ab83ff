// What the two sides of a transfer know alike: numbers of the model's storages and names of its types.
// Storages are found in a fixed order: attributes of the root, constants of the archive, constants of every piece of code.
#include "worker/transfer_parts.h"

#include "worker/model_parts.h"
#include "worker/pointer_map.h"

#include <stdlib.h>

typedef struct Range { const uint8_t *data; size_t size; uint32_t index; } Range;

struct TransferTable {
    const TypeTable *types;
    uint32_t *hashes; // of types, by id
    uint32_t type_count;
    const DatumStorage **storages;
    uint32_t count, capacity;
    Range *ranges;    // the same by address; of those that begin alike only the largest
    uint32_t range_count;
    bool whole;       // storages travel whole
};

// ---- the storages in order

typedef struct Walk {
    TransferTable *table;
    PointerMap seen; // containers and storages
} Walk;

// *first: `key` was not seen before.
static Status walk_enter(Walk *w, const void *key, bool *first)
{
    uint32_t number;
    return pointer_map_add(&w->seen, key, 0, &number, first);
}

static Status add_storage(Walk *w, const DatumStorage *s)
{
    TransferTable *t = w->table;
    bool first;
    if (!s->data || !s->size)
        return ST_OK;
    TRY(walk_enter(w, s, &first));
    if (!first)
        return ST_OK;
    if (t->count == t->capacity) {
        uint32_t capacity = t->capacity ? 2 * t->capacity : 64;
        const DatumStorage **storages = realloc(t->storages, capacity * sizeof *storages);
        if (!storages)
            return status_no_memory(capacity * sizeof *storages);
        t->storages = storages;
        t->capacity = capacity;
    }
    t->storages[t->count++] = s;
    return ST_OK;
}

static Status add_datum(Walk *w, const Datum *d)
{
    bool first = true;
    const DatumQuantizer *q;
    if (!d)
        return ST_OK;
    switch (d->kind) {
    case DATUM_TENSOR:
        TRY(add_storage(w, d->tensor->storage));
        q = d->tensor->quantizer;
        if (q && q->scales)
            TRY(add_datum(w, q->scales));
        return q && q->zero_points ? add_datum(w, q->zero_points) : ST_OK;
    case DATUM_OBJECT:
        TRY(walk_enter(w, d, &first));
        return first ? add_datum(w, d->state) : ST_OK;
    case DATUM_TUPLE:
    case DATUM_LIST:
    case DATUM_DICT: {
        TRY(walk_enter(w, d, &first));
        uint32_t items = d->kind == DATUM_DICT ? 2 * d->count : d->count;
        for (uint32_t i = 0; first && i < items; i++)
            TRY(add_datum(w, d->items[i]));
        return ST_OK;
    }
    default: return ST_OK;
    }
}

// Does it see more of a storage than what its tensor covers, or where in it that begins?
static bool sees_storage(const Node *n)
{
    static const char *const symbols[] = {"aten::as_strided", "aten::as_strided_", "aten::as_strided_copy", "aten::as_strided_scatter", "aten::storage_offset",
                                          "aten::set_", "aten::resize_", "aten::resize_as_", "aten::_reshape_alias"};
    for (size_t i = 0; n->kind == NODE_OP && i < sizeof symbols / sizeof *symbols; i++)
        if (str_is(n->schema->symbol, symbols[i]))
            return true;
    return false;
}

static Status add_model(Walk *w, const Model *m)
{
    TRY(add_datum(w, m->root));
    TRY(add_datum(w, m->constants));
    for (uint32_t i = 0; i < m->codes.count; i++)
        for (Node *n = graph_first(m->codes.codes[i]->graph); n; n = node_next_deep(n)) {
            w->table->whole |= sees_storage(n);
            if (n->kind == NODE_CONSTANT)
                TRY(add_datum(w, n->constant));
        }
    return ST_OK;
}

static int by_address(const void *a, const void *b)
{
    const Range *x = a, *y = b;
    if (x->data != y->data)
        return x->data < y->data ? -1 : 1;
    if (x->size != y->size)
        return x->size > y->size ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

static Status sort_ranges(TransferTable *t)
{
    t->ranges = malloc((t->count + 1) * sizeof *t->ranges);
    if (!t->ranges)
        return status_no_memory(t->count * sizeof *t->ranges);
    for (uint32_t i = 0; i < t->count; i++)
        t->ranges[i] = (Range){t->storages[i]->data, t->storages[i]->size, i};
    qsort(t->ranges, t->count, sizeof *t->ranges, by_address);
    for (uint32_t i = 0; i < t->count; i++)
        if (!i || t->ranges[i].data != t->ranges[t->range_count - 1].data)
            t->ranges[t->range_count++] = t->ranges[i];
    return ST_OK;
}

// ---- types

static Status hash_types(TransferTable *t)
{
    while (type_by_id(t->types, t->type_count))
        t->type_count++;
    t->hashes = malloc((t->type_count + 1) * sizeof *t->hashes);
    if (!t->hashes)
        return status_no_memory(t->type_count * sizeof *t->hashes);
    Buf text = {0};
    for (uint32_t i = 0; i < t->type_count; i++) {
        buf_clear(&text);
        type_print_python(&text, type_by_id(t->types, i));
        t->hashes[i] = (uint32_t)str_hash(buf_view(&text)) | 1; // 0 says unknown
    }
    Status status = buf_status(&text);
    buf_free(&text);
    return status;
}

TransferType transfer_type(const TransferTable *t, const Type *type)
{
    if (!type)
        return (TransferType){TRANSFER_NO_TYPE, 0};
    uint32_t id = type->id;
    if (type_by_id(t->types, id) != type) // operators have int of their own
        for (id = 0; id < t->type_count && (type->count || type_by_id(t->types, id)->kind != type->kind);)
            id++;
    return (TransferType){id, id < t->type_count ? t->hashes[id] : 0};
}

bool transfer_type_find(const TransferTable *t, TransferType name, const Type **out)
{
    *out = NULL;
    if (name.id == TRANSFER_NO_TYPE)
        return true;
    if (name.id >= t->type_count || t->hashes[name.id] != name.hash)
        return false;
    *out = type_by_id(t->types, name.id);
    return true;
}

// ---- the table

Status transfer_table_new(Model *m, TransferTable **out)
{
    TransferTable *t = calloc(1, sizeof *t);
    if (!t)
        return status_no_memory(sizeof *t);
    t->types = program_types(m->program);
    Walk walk = {.table = t};
    Status status = add_model(&walk, m);
    pointer_map_free(&walk.seen);
    if (status == ST_OK)
        status = sort_ranges(t);
    if (status == ST_OK)
        status = hash_types(t);
    if (status != ST_OK) {
        transfer_table_free(t);
        return status;
    }
    *out = t;
    return ST_OK;
}

void transfer_table_free(TransferTable *t)
{
    if (!t)
        return;
    free(t->hashes);
    free(t->storages);
    free(t->ranges);
    free(t);
}

int64_t transfer_constant(const TransferTable *t, const void *data, size_t size)
{
    uint32_t low = 0, high = t->range_count; // the last range that begins at or before data
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if ((uintptr_t)t->ranges[middle].data <= (uintptr_t)data)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low)
        return -1;
    const Range *r = &t->ranges[low - 1];
    size_t at = (uintptr_t)data - (uintptr_t)r->data;
    return at <= r->size && size <= r->size - at ? (int64_t)r->index : -1;
}

uint32_t transfer_constant_count(const TransferTable *t) { return t->count; }
const DatumStorage *transfer_constant_at(const TransferTable *t, uint32_t index) { return t->storages[index]; }

bool transfer_sends_whole(const TransferTable *t) { return t->whole; }
