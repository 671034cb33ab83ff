// What the sending and the receiving half of a transfer agree on. Private to transfer.c, transfer_table.c and
// transfer_unpack.c.
//
//   head of one pack:  'TSBV' | constants of the table | bytes up to the storages | values … | storages …
#ifndef TSB_WORKER_TRANSFER_PARTS_H
#define TSB_WORKER_TRANSFER_PARTS_H

#include "worker/transfer.h"

enum {
    TRANSFER_MAGIC = 0x56425354,
    // Beside ValueTag, in the byte before each value:
    TRANSFER_AGAIN = 0x7f, // the value with this number, which came before
    TRANSFER_SHARED = 0x80, // flag: this value gets the next number
    // Of a tensor:
    TRANSFER_GRAD = 1, TRANSFER_CONSTANT = 2, TRANSFER_WRAPPED = 4, TRANSFER_QUANT = 8,
    // Of a storage:
    STORAGE_KNOWN = 0, STORAGE_INLINE, STORAGE_PART,
};
#define TRANSFER_NO_TYPE UINT32_MAX

// A type is named by its number and a hash of its text: processes that compiled something else are found out.
typedef struct TransferType { uint32_t id, hash; } TransferType;
TransferType transfer_type(const TransferTable *t, const Type *type); // NULL: id TRANSFER_NO_TYPE; unknown: hash 0
// False when the table has no such type.
bool transfer_type_find(const TransferTable *t, TransferType name, const Type **out);

// Do storages travel whole, not only what tensors cover of them? Some operator of the model would see the difference.
bool transfer_sends_whole(const TransferTable *t);

// Storages of the model, by number. The one that holds [data, data + size), or -1.
int64_t transfer_constant(const TransferTable *t, const void *data, size_t size);
uint32_t transfer_constant_count(const TransferTable *t);
const DatumStorage *transfer_constant_at(const TransferTable *t, uint32_t index);

#endif
