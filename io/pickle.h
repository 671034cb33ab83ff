// The restricted unpickler of TorchScript archives (torchscript.md §2): builds Datum values and never runs anything.
#ifndef TSB_IO_PICKLE_H
#define TSB_IO_PICKLE_H

#include "io/archive.h"
#include "io/datum.h"

typedef struct Unpickler {
    Archive *archive;           // where storages are looked up
    const char *record;         // "data.pkl"
    const char *storage_prefix; // "data/": storage key "0" is record data/0
    Arena *arena;               // owns the result
    StrMap storages;            // key -> DatumStorage, so that tensors share; start all-zero
    uint32_t storage_count;
} Unpickler;

// Reads record `u->record`. Every size, stride, offset, memo id and depth is checked; tensors lie inside their storage.
// Only the globals of TorchScript are accepted; `os system` and the like are ST_BAD_MODEL, naming the global and
// offset.
Status pickle_read(Unpickler *u, Datum **out);
// The same over bytes (debug_pkl files, tests).
Status pickle_read_bytes(Unpickler *u, Str bytes, Datum **out);

#endif
