// DictObj: an insertion-ordered hash table.
// Entries stand in an array in order of insertion; a second array maps hash buckets to entries (linear probing). A removed
// entry stays as a hole until the next rebuild.
#include "worker/value.h"

#include <stdlib.h>

typedef struct DictEntry {
    IValue key, value;
    uint64_t hash;
    bool hole;
} DictEntry;

struct DictObj {
    Counted head;
    const Type *key_type, *value_type;
    uint32_t len;      // without holes
    uint32_t used;     // entries, holes included
    uint32_t capacity; // of entries
    uint32_t mask;     // buckets - 1; buckets >= 2 × capacity
    DictEntry *entries;
    uint32_t *buckets; // entry index + 1, 0: empty
};

DictObj *dict_new(const Type *key, const Type *value)
{
    DictObj *d = calloc(1, sizeof *d);
    if (!d) {
        status_no_memory(sizeof *d);
        return NULL;
    }
    d->head = (Counted){.refs = 1, .tag = TAG_DICT};
    d->key_type = key;
    d->value_type = value;
    return d;
}

void dict_clear(DictObj *d)
{
    // Releasing a value may reach this dictionary again: detach first.
    DictEntry *entries = d->entries;
    uint32_t used = d->used;
    free(d->buckets);
    d->entries = NULL;
    d->buckets = NULL;
    d->len = d->used = d->capacity = d->mask = 0;
    for (uint32_t i = 0; i < used; i++)
        if (!entries[i].hole) {
            value_release(entries[i].key);
            value_release(entries[i].value);
        }
    free(entries);
}

void dict_free(DictObj *d)
{
    dict_clear(d);
    free(d);
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdu;
    x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53u;
    return x ^ (x >> 33);
}

static uint64_t hash_double(double f)
{
    uint64_t bits = 0;
    f += 0.0; // -0 and 0 are one key
    memcpy(&bits, &f, sizeof bits);
    return mix(bits);
}

static uint64_t hash_key(IValue k)
{
    switch ((ValueTag)k.tag) {
    case TAG_BOOL: return mix(k.as.b);
    case TAG_INT: return mix((uint64_t)k.as.i);
    case TAG_FLOAT: return hash_double(k.as.f);
    case TAG_COMPLEX: return hash_double(k.as.complex->re) * 31 + hash_double(k.as.complex->im);
    case TAG_STR: return mix(str_hash(str_of_value(k)));
    case TAG_DEVICE: return mix((uint64_t)k.as.device.kind << 8 | (uint8_t)k.as.device.index);
    case TAG_ENUM: return mix(str_hash(k.as.enumeration->name));
    default: return mix((uint64_t)(uintptr_t)k.as.obj);
    }
}

// Entry of `key`, or -1.
static int64_t find(const DictObj *d, IValue key, uint64_t hash)
{
    if (!d->buckets)
        return -1;
    for (uint32_t b = (uint32_t)hash & d->mask; d->buckets[b]; b = (b + 1) & d->mask) {
        const DictEntry *e = &d->entries[d->buckets[b] - 1];
        if (!e->hole && e->hash == hash && e->key.tag == key.tag && value_equal(e->key, key))
            return (int64_t)d->buckets[b] - 1;
    }
    return -1;
}

// Makes room for one more entry: drops the holes and doubles when still full.
static Status rebuild(DictObj *d)
{
    if (d->len > UINT32_MAX / 8)
        return status_fail(ST_MEMORY, "too many dictionary entries (limit %u)", UINT32_MAX / 8);
    uint32_t capacity = 8;
    while (capacity <= d->len + d->len / 4)
        capacity *= 2;
    DictEntry *entries = malloc(sizeof *entries * capacity);
    uint32_t *buckets = calloc((size_t)capacity * 2, sizeof *buckets);
    if (!entries || !buckets) {
        free(entries);
        free(buckets);
        return status_no_memory(sizeof *entries * capacity);
    }
    uint32_t used = 0, mask = capacity * 2 - 1;
    for (uint32_t i = 0; i < d->used; i++) {
        if (d->entries[i].hole)
            continue;
        uint32_t b = (uint32_t)d->entries[i].hash & mask;
        while (buckets[b])
            b = (b + 1) & mask;
        entries[used] = d->entries[i];
        buckets[b] = ++used;
    }
    free(d->entries);
    free(d->buckets);
    d->entries = entries;
    d->buckets = buckets;
    d->used = used;
    d->capacity = capacity;
    d->mask = mask;
    return ST_OK;
}

uint32_t dict_len(const DictObj *d) { return d->len; }

const IValue *dict_get(const DictObj *d, IValue key)
{
    int64_t at = find(d, key, hash_key(key));
    return at < 0 ? NULL : &d->entries[at].value;
}

Status dict_set(DictObj *d, IValue key, IValue value)
{
    uint64_t hash = hash_key(key);
    int64_t at = find(d, key, hash);
    if (at >= 0) {
        IValue old = d->entries[at].value;
        d->entries[at].value = value_retain(value);
        value_release(old);
        return ST_OK;
    }
    if (d->used == d->capacity)
        TRY(rebuild(d));
    uint32_t b = (uint32_t)hash & d->mask;
    while (d->buckets[b])
        b = (b + 1) & d->mask;
    d->entries[d->used] = (DictEntry){.key = value_retain(key), .value = value_retain(value), .hash = hash};
    d->buckets[b] = ++d->used;
    d->len++;
    return ST_OK;
}

bool dict_remove(DictObj *d, IValue key)
{
    int64_t at = find(d, key, hash_key(key));
    if (at < 0)
        return false;
    DictEntry *e = &d->entries[at];
    IValue k = e->key, v = e->value;
    e->hole = true;
    d->len--;
    value_release(k);
    value_release(v);
    return true;
}

bool dict_next(const DictObj *d, uint32_t *at, IValue *key, IValue *value)
{
    while (*at < d->used && d->entries[*at].hole)
        ++*at;
    if (*at >= d->used)
        return false;
    *key = d->entries[*at].key;
    *value = d->entries[*at].value;
    ++*at;
    return true;
}

const Type *dict_key_type(const DictObj *d) { return d->key_type; }
const Type *dict_value_type(const DictObj *d) { return d->value_type; }
